// The types of elements as they lie in memory, and their way to float and back.
#pragma once

#include "targets.h"

namespace serve {

struct Float32 {
  using Scalar = float;
  SERVE_INLINE float wide(float value) { return value; }
  SERVE_INLINE float rounded(float value) { return value; }
};

struct Int8 {
  using Scalar = int8_t;
  SERVE_INLINE float wide(int8_t value) { return value; }
};

struct Bfloat16 {
  using Scalar = uint16_t;

  SERVE_INLINE float wide(uint16_t value) {
    const uint32_t bits = (uint32_t)value << 16;
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
  }

  // To nearest, ties to even; not a number stays one.
  SERVE_INLINE uint16_t rounded(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    const uint32_t nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (uint16_t)nearest;
  }
};

#if defined(__FLT16_MANT_DIG__)
#define SERVE_FLOAT16 _Float16
#elif defined(__aarch64__)
#define SERVE_FLOAT16 __fp16
#endif

#if defined(SERVE_FLOAT16)
struct Float16 {
  using Scalar = SERVE_FLOAT16;
  SERVE_INLINE float wide(Scalar value) { return (float)value; }
  SERVE_INLINE Scalar rounded(float value) { return (Scalar)value; }
};
#endif

} // namespace serve
