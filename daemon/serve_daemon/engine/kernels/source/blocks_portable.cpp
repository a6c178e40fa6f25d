// Block-quantized products without vectors, and which instruction set is taken.

#include "block_numbers.h"
#include "block_scale.h"
#include "elements.h"

#include <algorithm>
#include <cmath>

namespace serve {
namespace {

constexpr int64_t ROWS_AT_ONCE = 16;

float read(const void* from, bool wide, int64_t at) {
  float value;
  if (!wide) return Bfloat16::wide(((const uint16_t*)from)[at]);
  std::memcpy(&value, (const char*)from + at * 4, 4);
  return value;
}

void quantize_block(const void* input, bool wide, int64_t first, char* record) {
  int32_t largest = 0, sums[2] = {};
  float values[COLUMNS];
  for (int at = 0; at < COLUMNS; ++at) {
    values[at] = read(input, wide, first + at);
    int32_t bits;
    std::memcpy(&bits, &values[at], 4);
    largest = std::max(largest, bits & 0x7fffffff);
  }
  const BlockScale scale = BlockScale::of(largest);
  for (int at = 0; at < COLUMNS; ++at) {
    const float product = values[at] * scale.inverse;
    record[at] = scale.inverse != 0 ? (int8_t)std::lrint(product) : 0;
    sums[at / 16] += record[at];
  }
  scale.write(record + COLUMNS, 4, sums);
}

// Of tiles of one row.
void quantize(const void* input, const BlockRows& to, int64_t begin, int64_t end) {
  for (int64_t at = begin * to.blocks; at < end * to.blocks; ++at)
    quantize_block(input, to.wide, at * COLUMNS, to.records + at * BlockRows::RECORD);
}

// One block of one output.
struct Block {
  int numbers[COLUMNS], units;
  float scales[2], minimum;

  Block(const PackedRow& row, int64_t block)
      : units(row.format.units()),
        scales{row.scale(block, 0), row.scale(block, units - 1)},
        minimum(row.minimum(block)) {
    row.numbers(block, numbers);
  }

  float times(const char* record) const {
    int sums[2] = {};
    for (int at = 0; at < COLUMNS; ++at) sums[at / 16] += numbers[at] * (int8_t)record[at];
    float scale, sum;
    std::memcpy(&scale, record + COLUMNS, 4);
    std::memcpy(&sum, record + COLUMNS + 4, 4);
    if (units == 1) return (float)(sums[0] + sums[1]) * (scales[0] * scale) + minimum * sum;
    return (float)sums[0] * (scales[0] * scale) + (float)sums[1] * (scales[1] * scale);
  }
};

void put(const BlockRows& rows, const BlockWeight& weight, int64_t row, int64_t output, float sum) {
  if (weight.bias) sum += read(weight.bias, weight.wide_bias, output);
  const int64_t at = row * weight.outputs + output;
  if (rows.wide)
    std::memcpy(weight.output + at * 4, &sum, 4);
  else
    ((uint16_t*)weight.output)[at] = Bfloat16::rounded(sum);
}

// The rows first..last, of which there are ROWS_AT_ONCE at most, times one output.
void multiply_rows(const BlockRows& rows, const BlockWeight& weight, int64_t output, int64_t first,
                   int64_t last) {
  const PackedRow packed = packed_row(weight.layout, weight.panels, rows.blocks, output);
  float sums[ROWS_AT_ONCE] = {};
  for (int64_t at = 0; at < rows.blocks; ++at) {
    const Block block(packed, at);
    for (int64_t row = first; row < last; ++row)
      sums[row - first] += block.times(rows.tile(row) + at * BlockRows::RECORD);
  }
  for (int64_t row = first; row < last; ++row) put(rows, weight, row, output, sums[row - first]);
}

void multiply(const BlockRows& rows, const BlockWeight& weight, int64_t begin, int64_t end,
              int64_t first, int64_t last) {
  const int64_t outputs = std::min(end * PANEL, weight.outputs);
  for (int64_t output = begin * PANEL; output < outputs; ++output)
    for (int64_t row = first; row < last; row += ROWS_AT_ONCE)
      multiply_rows(rows, weight, output, row, std::min(row + ROWS_AT_ONCE, last));
}

bool has(BlockLevel level) {
#if defined(SERVE_X86)
  static const bool has_bytes_of_256 = supported() >= Level::avx2 && has_avx_vnni();
  switch (level) {
    case BlockLevel::avx512_vnni:
      return supported() >= Level::avx512 && __builtin_cpu_supports("avx512vnni");
    case BlockLevel::avx_vnni: return has_bytes_of_256;
    case BlockLevel::avx2: return supported() >= Level::avx2;
    case BlockLevel::portable: break;
  }
#endif
  return level == BlockLevel::portable;
}

} // namespace

const BlockMath PORTABLE_BLOCKS = {1, quantize, multiply};

// Not every CPU with AVX-512's VNNI has that of AVX2, so a level does not imply the one below.
BlockLevel block_level() {
  for (const BlockLevel level : {BlockLevel::avx512_vnni, BlockLevel::avx_vnni, BlockLevel::avx2})
    if (level <= block_limit && has(level)) return level;
  return BlockLevel::portable;
}

const BlockMath& block_math() {
#if defined(SERVE_X86)
  switch (block_level()) {
    case BlockLevel::avx512_vnni: return AVX512_VNNI_BLOCKS;
    case BlockLevel::avx_vnni: return AVX_VNNI_BLOCKS;
    case BlockLevel::avx2: return AVX2_BLOCKS;
    case BlockLevel::portable: break;
  }
#endif
  return PORTABLE_BLOCKS;
}

} // namespace serve
