// The attention operator's arithmetic over int8 caches.

#include "attention.h"
#include "elements.h"

#include <type_traits>

namespace serve {
namespace {

#include "attention_levels.inc"

#if defined(SERVE_X86)
SERVE_BEGIN_TARGET(SERVE_AVX512_VNNI)
namespace avx512_vnni {
#include "vectors.inc"
#include "attention.inc"
#include "attention_words.inc"
#include "attention_int8.inc"
#include "attention_int8_products.inc"
} // namespace avx512_vnni
SERVE_END_TARGET
#endif

// For queries that lose nothing by being made whole numbers of 16 bits.
template <class Traits>
const Attention& in_bytes() {
#if defined(SERVE_X86)
  if (level() == Level::avx512_bf16 && __builtin_cpu_supports("avx512vnni"))
    return avx512_vnni::Algorithm<avx512_vnni::ByteMath<Traits>>::IMPLEMENTATION;
#endif
  return in_float<Traits, Int8>();
}

} // namespace

const Attention& int8_attention_for(Element element) {
  switch (element) {
    case Element::bfloat16: return in_bytes<Bfloat16>();
#if defined(SERVE_FLOAT16)
    case Element::float16: return in_bytes<Float16>();
#endif
    default: return in_float<Float32, Int8>();
  }
}

} // namespace serve
