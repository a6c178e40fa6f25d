// The attention operator's arithmetic over caches of the type of queries.

#include "attention.h"
#include "elements.h"

#include <type_traits>

namespace serve {
namespace {

#include "attention_levels.inc"

#if defined(SERVE_X86)
SERVE_BEGIN_TARGET(SERVE_AVX512_BF16)
namespace avx512_bf16 {
#include "vectors.inc"
#include "attention.inc"
#include "attention_words.inc"
#include "attention_bfloat16.inc"
} // namespace avx512_bf16
SERVE_END_TARGET
#endif

} // namespace

const Attention& attention_for(Element element) {
  switch (element) {
    case Element::bfloat16:
#if defined(SERVE_X86)
      if (level() == Level::avx512_bf16)
        return avx512_bf16::Algorithm<avx512_bf16::PairMath>::IMPLEMENTATION;
#endif
      return in_float<Bfloat16>();
#if defined(SERVE_FLOAT16)
    case Element::float16: return in_float<Float16>();
#endif
    default: return in_float<Float32>();
  }
}

} // namespace serve
