// The passes over rows of logits that drawing tokens needs, by blocks of neighbouring tokens.
#pragma once

#include "targets.h"

namespace serve {

constexpr int64_t DRAW_BLOCK = 64; // tokens; the last block of a row may have fewer

inline int64_t draw_blocks(int64_t count) { return (count + DRAW_BLOCK - 1) / DRAW_BLOCK; }

struct DrawPasses {
  // The largest logit of each block of `row`, which has `count`.
  void (*largest)(const float* row, int64_t count, float* found);
  // The same of the tokens whose bits are set, which are copied to `kept`, as whole blocks; -inf is
  // there for others. What lies beyond the `num_words` is one of these.
  void (*allowed)(const float* row, int64_t count, const uint32_t* words, int64_t num_words,
                  float* kept, float* found);
  // What each block holds of 2^((logit - top) * scale); what is below 2^-126 is nothing.
  void (*masses)(const float* row, int64_t count, float top, float scale, float* found);
};

// The best for this CPU.
const DrawPasses& draw_passes();

} // namespace serve
