// Block-quantized products by AVX2, and by AVX-VNNI where a CPU has it without AVX-512.

#include "block_scale.h"
#include "blocks.h"
#include "elements.h"

#if defined(SERVE_X86)

namespace serve {

SERVE_BEGIN_TARGET(SERVE_AVX2)
namespace avx2 {

#include "blocks_vectors256.inc"

// Products of pairs are summed in 16 bits: so many steps can't be too large for these.
constexpr int steps_together(int bits) { return bits == 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1; }

// Whole bytes are too large for a single step, but not as signed numbers.
constexpr bool are_signed(int bits) { return bits == 8; }

SERVE_INLINE Ints first_partial(Ints) { return no_ints(); }

SERVE_INLINE Ints last_partial(Ints sum, Ints partial) {
  return plus_ints(sum, _mm256_madd_epi16(partial, _mm256_set1_epi16(1)));
}

template <int BITS>
SERVE_INLINE Ints dot(Ints sum, Ints weights, Ints factor) {
  if (are_signed(BITS)) {
    const Ints signs = _mm256_xor_si256(weights, _mm256_set1_epi8(-128));
    weights = _mm256_abs_epi8(signs);
    factor = _mm256_sign_epi8(factor, signs);
  }
  sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(weights, factor));
  // Compilers else add up products in another order, for which there are too few registers.
  asm("" : "+x"(sum));
  return sum;
}

#include "blocks.inc"

} // namespace avx2
SERVE_END_TARGET

SERVE_BEGIN_TARGET(SERVE_AVX_VNNI)
namespace avx_vnni {

#include "blocks_vectors256.inc"

constexpr int steps_together(int) { return STEPS; }
constexpr bool are_signed(int) { return false; }
SERVE_INLINE Ints first_partial(Ints sum) { return sum; }
SERVE_INLINE Ints last_partial(Ints, Ints partial) { return partial; }

template <int BITS>
SERVE_INLINE Ints dot(Ints sum, Ints weights, Ints factor) {
  return _mm256_dpbusd_avx_epi32(sum, weights, factor);
}

#include "blocks.inc"

} // namespace avx_vnni
SERVE_END_TARGET

const BlockMath AVX2_BLOCKS = {avx2::MOST_ROWS, avx2::quantize, avx2::multiply};
const BlockMath AVX_VNNI_BLOCKS = {avx_vnni::MOST_ROWS, avx_vnni::quantize, avx_vnni::multiply};

} // namespace serve

#endif // SERVE_X86
