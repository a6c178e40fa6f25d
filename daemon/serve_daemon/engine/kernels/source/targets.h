// Which instruction sets a binary holds code for, and the regions that may use one of them.
//
// One file of code is included several times, each time in a namespace and a region of its own, so
// that no flag such as -march is needed: what a CPU cannot run is in the binary, but is not called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__x86_64__)
#define SERVE_X86 1
#include <cpuid.h>
#include <immintrin.h>
#endif

#define SERVE_TEXT(text) #text
#if defined(__clang__)
#define SERVE_PRAGMA(text) _Pragma(SERVE_TEXT(text))
#define SERVE_BEGIN_TARGET(features) \
  SERVE_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define SERVE_END_TARGET _Pragma("clang attribute pop")
#else
#define SERVE_PRAGMA(text) _Pragma(SERVE_TEXT(text))
#define SERVE_BEGIN_TARGET(features) \
  _Pragma("GCC push_options") SERVE_PRAGMA(GCC target(features))
#define SERVE_END_TARGET _Pragma("GCC pop_options")
#endif

#define SERVE_AVX2 "avx2,fma,f16c"
#define SERVE_AVX512 "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,prefer-vector-width=512"
#define SERVE_AVX512_BF16 \
  "avx512bf16,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,prefer-vector-width=512"

#define SERVE_AVX512_VNNI \
  "avx512vnni,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,prefer-vector-width=512"
#define SERVE_AVX_VNNI "avxvnni,avx2,fma,f16c"

#define SERVE_INLINE static inline __attribute__((always_inline))

namespace serve {

enum class Level { portable, avx2, avx512, avx512_bf16 };

// At most this is used; lowered by tests, to run the code that other CPUs run.
inline Level limit = Level::avx512_bf16;

// The best that this CPU can run.
inline Level supported() {
#if defined(SERVE_X86)
  static const Level found = [] {
    __builtin_cpu_init();
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (wide && __builtin_cpu_supports("avx512bf16")) return Level::avx512_bf16;
    if (wide) return Level::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Level::avx2;
    return Level::portable;
  }();
  return found;
#else
  return Level::portable;
#endif
}

#if defined(SERVE_X86)
// CPUID leaf 7, subleaf 1, EAX bit 4; not every compiler's __builtin_cpu_supports knows it.
inline bool has_avx_vnni() {
  unsigned eax = 0, ebx, ecx, edx;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
}
#endif

inline Level level() { return supported() < limit ? supported() : limit; }

} // namespace serve
