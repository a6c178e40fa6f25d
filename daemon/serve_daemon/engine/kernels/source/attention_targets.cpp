// The attention operator's arithmetic, once for each instruction set.

#include "attention.h"
#include "elements.h"

namespace serve {

namespace portable {
#define SERVE_BYTES 16
#define SERVE_ROWS 4
#define SERVE_VECS 2
#include "vectors.inc"
#include "attention.inc"
#include "attention_float.inc"
#undef SERVE_BYTES
#undef SERVE_ROWS
#undef SERVE_VECS
} // namespace portable

#if defined(SERVE_X86)

SERVE_BEGIN_TARGET(SERVE_AVX2)
namespace avx2 {
#define SERVE_BYTES 32
#define SERVE_ROWS 4
#define SERVE_VECS 2
#include "vectors.inc"
#include "attention.inc"
#include "attention_float.inc"
#undef SERVE_BYTES
#undef SERVE_ROWS
#undef SERVE_VECS
} // namespace avx2
SERVE_END_TARGET

SERVE_BEGIN_TARGET(SERVE_AVX512)
namespace avx512 {
#define SERVE_BYTES 64
#define SERVE_ROWS 8
#define SERVE_VECS 2
#include "vectors.inc"
#include "attention.inc"
#include "attention_float.inc"
} // namespace avx512
SERVE_END_TARGET

SERVE_BEGIN_TARGET(SERVE_AVX512_BF16)
namespace avx512_bf16 {
#include "vectors.inc"
#include "attention.inc"
#include "attention_bfloat16.inc"
#undef SERVE_BYTES
#undef SERVE_ROWS
#undef SERVE_VECS
} // namespace avx512_bf16
SERVE_END_TARGET

#endif // SERVE_X86

template <class Traits>
static const Attention& in_float() {
#if defined(SERVE_X86)
  switch (level()) {
    case Level::avx512_bf16:
    case Level::avx512: return avx512::Algorithm<avx512::FloatMath<Traits>>::IMPLEMENTATION;
    case Level::avx2: return avx2::Algorithm<avx2::FloatMath<Traits>>::IMPLEMENTATION;
    case Level::portable: break;
  }
#endif
  return portable::Algorithm<portable::FloatMath<Traits>>::IMPLEMENTATION;
}

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
