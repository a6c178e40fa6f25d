// A packed weight, number by number: for CPUs without vectors, and for single rows.
#pragma once

#include "blocks.h"

namespace serve {

// A float16, by its bits.
inline float half_to_float(uint16_t bits) {
  const uint32_t sign = (uint32_t)(bits & 0x8000) << 16, rest = bits & 0x7fff;
  float value;
  if (rest < 0x400) { // below the normal ones: so many times 2^-24
    value = (float)rest * 0x1p-24f;
  } else {
    const uint32_t wide = (rest << 13) + (rest < 0x7c00 ? 0x38000000u : 0x70000000u);
    std::memcpy(&value, &wide, 4);
  }
  return sign ? -value : value;
}

// One output of a panel.
struct PackedRow {
  BlockFormat format;
  const char* panel;
  int output;

  const char* group(int64_t block) const {
    return panel + block / format.blocks() * format.group();
  }

  const char* at(int64_t block) const {
    return group(block) + format.header() + block % format.blocks() * format.block();
  }

  float half(int64_t block, int which) const {
    uint16_t bits;
    std::memcpy(&bits, group(block) + which * LINE + output * 2, 2);
    return half_to_float(bits);
  }

  float scale(int64_t block, int unit) const {
    const float scale = half(block, 0);
    if (!format.small) return scale;
    const uint8_t small = at(block)[unit * PANEL + output];
    return scale * (format.minimums ? (float)small : (float)(int8_t)small);
  }

  float minimum(int64_t block) const {
    if (!format.minimums) return 0;
    const float minimum = half(block, 1);
    return format.small ? minimum * -(float)(uint8_t)at(block)[PANEL + output] : minimum;
  }

  // 32 numbers, less what stands for 0.
  void numbers(int64_t block, int* to) const {
    const int side = output / 16, place = output % 16 * 4;
    for (int column = 0; column < COLUMNS; ++column) {
      const int step = column / 4, byte = place + column % 4;
      const uint8_t* low = (const uint8_t*)at(block) + format.small_bytes() + step * format.step();
      int number = format.bits == 8 ? low[side * LINE + byte] : low[byte] >> side * 4 & 15;
      const uint8_t* high = (const uint8_t*)at(block) + format.high();
      for (int bit = 0; bit < format.high_bits(); ++bit) {
        const int64_t bits = ((step * format.high_bits() + bit) * 2 + side) * 8;
        number |= (high[bits + byte / 8] >> byte % 8 & 1) << (4 + bit);
      }
      to[column] = format.minimums ? number : number - (1 << format.shift);
    }
  }
};

inline PackedRow packed_row(int64_t layout, const char* panels, int64_t blocks, int64_t row) {
  const BlockFormat format = block_format(layout);
  const int64_t panel = blocks / format.blocks() * format.group();
  return {format, panels + row / PANEL * panel, (int)(row % PANEL)};
}

} // namespace serve
