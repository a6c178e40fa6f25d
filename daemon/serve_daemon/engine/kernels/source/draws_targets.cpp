// The passes over logits, once for each instruction set.

#include "draws.h"

namespace serve {

namespace portable {
#define SERVE_BYTES 16
#include "vectors.inc"
#include "draws.inc"
#undef SERVE_BYTES
constexpr DrawPasses DRAW_PASSES{largest, allowed, masses};
} // namespace portable

#if defined(SERVE_X86)

SERVE_BEGIN_TARGET(SERVE_AVX2)
namespace avx2 {
#define SERVE_BYTES 32
#include "vectors.inc"
#include "draws.inc"
#undef SERVE_BYTES
constexpr DrawPasses DRAW_PASSES{largest, allowed, masses};
} // namespace avx2
SERVE_END_TARGET

SERVE_BEGIN_TARGET(SERVE_AVX512)
namespace avx512 {
#define SERVE_BYTES 64
#include "vectors.inc"
#include "draws.inc"
#undef SERVE_BYTES
constexpr DrawPasses DRAW_PASSES{largest, allowed, masses};
} // namespace avx512
SERVE_END_TARGET

#endif // SERVE_X86

const DrawPasses& draw_passes() {
#if defined(SERVE_X86)
  switch (level()) {
    case Level::avx512_bf16:
    case Level::avx512: return avx512::DRAW_PASSES;
    case Level::avx2: return avx2::DRAW_PASSES;
    case Level::portable: break;
  }
#endif
  return portable::DRAW_PASSES;
}

} // namespace serve
