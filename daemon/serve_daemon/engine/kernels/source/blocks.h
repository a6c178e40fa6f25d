// Block-quantized weights in panels of 32 outputs, as `blocks.py` packs them, and rows to multiply
// by them, quantized to 8 bits.
#pragma once

#include "linear.h"

namespace serve {

constexpr int64_t COLUMNS = 32; // inputs that are quantized together
constexpr int64_t STEPS = 8; // of four inputs each
constexpr int64_t LINE = 64; // bytes of 16 outputs by 4 inputs

// How a weight lies in memory; see `blocks.py`. A number stands for (it - zero) * scale + minimum.
struct BlockFormat {
  int bits;
  int shift; // zero is 1 << shift, where there are no minimums
  bool minimums;
  bool small; // groups of 256 inputs whose blocks have small scales

  constexpr int units() const { return small && !minimums ? 2 : 1; } // of a block, with own scales
  constexpr int64_t blocks() const { return small ? 8 : 1; } // of a group
  constexpr int64_t header() const { return minimums ? 2 * LINE : LINE; }
  constexpr int64_t small_bytes() const { return small ? LINE : 0; }
  constexpr int64_t step() const { return bits == 8 ? 2 * LINE : LINE; }
  constexpr int high_bits() const { return bits == 8 ? 0 : bits - 4; }
  constexpr int64_t high() const { return small_bytes() + STEPS * step(); } // where they begin
  constexpr int64_t block() const { return high() + STEPS * high_bits() * 16; }
  constexpr int64_t group() const { return header() + blocks() * block(); }
};

// By the number of the GGUF type.
constexpr BlockFormat block_format(int64_t layout) {
  switch (layout) {
    case 2: return {4, 3, false, false};
    case 3: return {4, 0, true, false};
    case 6: return {5, 4, false, false};
    case 7: return {5, 0, true, false};
    case 8: return {8, 7, false, false};
    case 12: return {4, 0, true, true};
    case 13: return {5, 0, true, true};
    case 14: return {6, 5, false, true};
    default: return {};
  }
}

// Quantized rows, in tiles of as many as are multiplied at once. Of each block of a tile of R rows:
// 8 steps of R times 4 numbers, then R each of: scales; scale * sum of the numbers (both float);
// minus the sum of the first 16 numbers; minus that of the last 16 (both int32).
struct BlockRows {
  static constexpr int64_t RECORD = 48; // bytes of a row in a block
  char* records;
  int64_t rows, blocks, tiles;
  int64_t least, larger; // rows of a tile; so many tiles at the beginning have one more
  bool wide; // float32, not bfloat16, comes and goes

  BlockRows(char* records, int64_t rows, int64_t blocks, int64_t most, bool wide)
      : records(records), rows(rows), blocks(blocks), tiles((rows + most - 1) / most),
        least(rows / tiles), larger(rows % tiles), wide(wide) {}

  int64_t count(int64_t tile) const { return least + (tile < larger); }
  // The first row of a tile.
  int64_t begin(int64_t tile) const { return tile * least + (tile < larger ? tile : larger); }
  char* tile(int64_t tile) const { return records + begin(tile) * blocks * RECORD; }
};

struct BlockWeight {
  int64_t layout;
  const char* panels;
  const void* bias; // or null
  bool wide_bias; // float32, not bfloat16
  char* output; // [rows, outputs]
  int64_t outputs;
};

// The arithmetic in one instruction set.
struct BlockMath {
  int64_t most_rows; // of a tile
  // Of `input` [rows, blocks * COLUMNS] into the tiles begin..end of `to`.
  void (*quantize)(const void* input, const BlockRows& to, int64_t begin, int64_t end);
  // The panels begin..end of the output, of the rows in the tiles first..last.
  void (*multiply)(const BlockRows&, const BlockWeight&, int64_t begin, int64_t end, int64_t first,
                   int64_t last);
};

enum class BlockLevel { portable, avx2, avx_vnni, avx512_vnni };

// At most this is used; lowered by tests.
inline BlockLevel block_limit = BlockLevel::avx512_vnni;

BlockLevel block_level();
const BlockMath& block_math();

extern const BlockMath PORTABLE_BLOCKS, AVX2_BLOCKS, AVX_VNNI_BLOCKS, AVX512_VNNI_BLOCKS;

} // namespace serve
