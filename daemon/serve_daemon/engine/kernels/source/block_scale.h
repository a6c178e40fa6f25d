// The scale of 32 inputs that are quantized to 8 bits.
#pragma once

#include "targets.h"

namespace serve {

struct BlockScale {
  static constexpr int32_t INFINITE = 0x7f800000; // its bits; those of what is no number are more
  static constexpr float SMALLEST = std::numeric_limits<float>::min();
  float scale, inverse;

  // Of the largest magnitude, by its bits. Of what is not finite a scale is made that isn't, and
  // of it numbers that are 0, so that all sums with it are no numbers.
  SERVE_INLINE BlockScale of(int32_t bits) {
    float largest;
    std::memcpy(&largest, &bits, 4);
    if (bits >= INFINITE) return {largest, 0};
    const float scale = largest / 127;
    if (scale < SMALLEST) return {0, 0};
    return {scale, 1 / scale};
  }

  // As BlockRows has it: `stride` bytes from one to the next.
  void write(char* to, int64_t stride, const int32_t* sums) const {
    const float product = scale * (float)(sums[0] + sums[1]);
    const int32_t negative[2] = {-sums[0], -sums[1]};
    std::memcpy(to, &scale, 4);
    std::memcpy(to + stride, &product, 4);
    std::memcpy(to + 2 * stride, &negative[0], 4);
    std::memcpy(to + 3 * stride, &negative[1], 4);
  }
};

} // namespace serve
