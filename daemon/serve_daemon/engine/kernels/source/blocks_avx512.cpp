// Block-quantized products by AVX-512 with VNNI.

#include "block_scale.h"
#include "blocks.h"

#if defined(SERVE_X86)

namespace serve {

SERVE_BEGIN_TARGET(SERVE_AVX512_VNNI)
namespace avx512_vnni {

constexpr int LANES = 16;
constexpr int64_t MOST_ROWS = 6; // times four vectors of sums: 24 of 32 registers
constexpr int64_t AHEAD = 8192; // by measurement

typedef __m512 Floats;
typedef __m512i Ints;

SERVE_INLINE Ints no_ints() { return _mm512_setzero_si512(); }
SERVE_INLINE Ints load_ints(const char* from) { return _mm512_loadu_si512(from); }
SERVE_INLINE Ints low_halves(Ints both) { return _mm512_and_si512(both, _mm512_set1_epi8(15)); }
SERVE_INLINE Ints high_halves(Ints both) { return low_halves(_mm512_srli_epi16(both, 4)); }
SERVE_INLINE Ints plus_ints(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
SERVE_INLINE Ints larger_ints(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
SERVE_INLINE int32_t largest_of(Ints values) { return _mm512_reduce_max_epi32(values); }

// Of 16 bytes each.
SERVE_INLINE void sum_bytes(__m256i bytes, int32_t* sums) {
  const __m256i ones = _mm256_set1_epi8(1);
  const __m256i pairs = _mm256_maddubs_epi16(ones, bytes);
  __m256i sum = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0x4e));
  sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0xb1));
  sums[0] = _mm256_cvtsi256_si32(sum);
  sums[1] = _mm256_extract_epi32(sum, 4);
}

template <int COUNT>
SERVE_INLINE Ints shifted(Ints values) {
  return _mm512_slli_epi32(values, COUNT);
}

SERVE_INLINE Ints all_ints(const char* from) {
  int32_t value;
  std::memcpy(&value, from, 4);
  return _mm512_set1_epi32(value);
}

SERVE_INLINE Ints four_bytes(const char* from) { return all_ints(from); }

SERVE_INLINE Ints add_bits(Ints numbers, const char* bits, int value) {
  uint64_t mask;
  std::memcpy(&mask, bits, 8);
  return _mm512_mask_add_epi8(numbers, mask, numbers, _mm512_set1_epi8(value));
}

constexpr int steps_together(int) { return STEPS; }
constexpr bool are_signed(int) { return false; }
SERVE_INLINE Ints first_partial(Ints sum) { return sum; }
SERVE_INLINE Ints last_partial(Ints, Ints partial) { return partial; }

template <int BITS>
SERVE_INLINE Ints dot(Ints sum, Ints weights, Ints factor) {
  return _mm512_dpbusd_epi32(sum, weights, factor);
}

SERVE_INLINE Floats no_floats() { return _mm512_setzero_ps(); }
SERVE_INLINE Floats all(float value) { return _mm512_set1_ps(value); }
SERVE_INLINE Floats as_floats(Ints values) { return _mm512_cvtepi32_ps(values); }
SERVE_INLINE Floats plus(Floats a, Floats b) { return _mm512_add_ps(a, b); }
SERVE_INLINE Floats times(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
SERVE_INLINE Floats times_plus(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }

SERVE_INLINE Floats minus_times(Floats a, Floats b) {
  return _mm512_fnmadd_ps(a, b, _mm512_setzero_ps());
}

SERVE_INLINE Floats all_floats(const char* from) { return _mm512_castsi512_ps(all_ints(from)); }

SERVE_INLINE Floats load_halves(const char* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)from));
}

template <bool SIGNED>
SERVE_INLINE Floats load_small(const char* from) {
  const __m128i bytes = _mm_loadu_si128((const __m128i*)from);
  return _mm512_cvtepi32_ps(SIGNED ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
}

SERVE_INLINE Ints absolute_bits(Floats values) {
  return _mm512_and_si512(_mm512_castps_si512(values), _mm512_set1_epi32(0x7fffffff));
}

SERVE_INLINE Floats load_some(const char* from, bool wide, int64_t count) {
  const __mmask16 mask = count < 16 ? (1u << count) - 1 : 0xffff;
  if (wide) return _mm512_maskz_loadu_ps(mask, from);
  const __m256i bits = _mm256_maskz_loadu_epi16(mask, from);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// 32 products, rounded.
SERVE_INLINE __m256i as_bytes(const Floats* values, Floats factor) {
  const __m128i low = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(times(values[0], factor)));
  const __m128i high = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(times(values[1], factor)));
  return _mm256_set_m128i(high, low);
}

// To bfloat16 as Bfloat16::rounded does it.
SERVE_INLINE __m256i narrow(Floats values) {
  const Ints bits = _mm512_castps_si512(values);
  const Ints odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const Ints nearest = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 none = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
  const Ints found = _mm512_mask_set1_epi32(_mm512_srli_epi32(nearest, 16), none, 0x7fc0);
  return _mm512_cvtepi32_epi16(found);
}

SERVE_INLINE void store_some(char* to, bool wide, int64_t count, Floats values) {
  const __mmask16 mask = count < 16 ? (1u << count) - 1 : 0xffff;
  if (wide)
    _mm512_mask_storeu_ps(to, mask, values);
  else
    _mm256_mask_storeu_epi16(to, mask, narrow(values));
}

#include "blocks.inc"

} // namespace avx512_vnni
SERVE_END_TARGET

const BlockMath AVX512_VNNI_BLOCKS = {avx512_vnni::MOST_ROWS, avx512_vnni::quantize,
                                      avx512_vnni::multiply};

} // namespace serve

#endif // SERVE_X86
