// What the parts of the attention operator tell one another.
#pragma once

#include "targets.h"

namespace serve {

// Positions of a context that are worked on in one piece. Pieces begin at multiples of it, whatever
// else is computed, so that a row's result depends on its own position alone.
constexpr int64_t PIECE = 128;

// Rows (tokens times query heads of one key head) that share one pass over keys and values.
constexpr int64_t MAX_ROWS = 48;

struct Problem {
  const void* query; // [T, H, D], strides in elements
  int64_t query_token_stride, query_head_stride;
  const void* key_cache; // [S, K, L, D]
  const void* value_cache;
  void* output; // [T, H, D]
  int64_t heads, key_heads, size, length, window;
  float scale, softcap;
  const float* key_scales; // [S, K, L], where the caches are int8
  const float* value_scales;

  int64_t group() const { return heads / key_heads; }
  int64_t padded_size() const { return (size + 31) / 32 * 32; }
  int64_t first(int64_t position) const {
    return window > 0 && position >= window ? position - window + 1 : 0;
  }
};

// Consecutive tokens of one slot with consecutive positions.
struct Run {
  int64_t token, count, slot, position;

  int64_t end() const { return position + count; }
};

// A piece of the context of a run, for one key head.
struct Place {
  const Run* run;
  int64_t head, piece;

  int64_t base() const { return piece * PIECE; }
  int64_t held() const { return run->end() - base() < PIECE ? run->end() - base() : PIECE; }
  // The row of the caches, seen as [S * K * L, D], that it begins with.
  int64_t row(const Problem& problem) const {
    return (run->slot * problem.key_heads + head) * problem.length + base();
  }
};

// What is worked on next; it is asked of memory in small portions, while something else is worked
// on: a core has few requests to memory under way, and they must not all wait at once.
struct Ahead {
  const char* keys;
  const char* values;
  int64_t bytes;
  int64_t row;

  static Ahead of(const Problem& problem, const Place& place, int64_t element_bytes) {
    const int64_t row_bytes = problem.size * element_bytes, at = place.row(problem) * row_bytes;
    return {(const char*)problem.key_cache + at, (const char*)problem.value_cache + at,
            place.held() * row_bytes, place.row(problem)};
  }
};

// Elements of int8 caches are turned before they are rounded, and queries and results with them:
// large ones, of which keys have a few, are shared out among so many. 1 where the size is odd.
inline int64_t turned_together(int64_t size) { return size & -size; }

// The running softmax of the rows of a run for one key head: base-2 maxima and sums [rows], and the
// weighted values [rows, padded size], not yet divided by the sums.
struct State {
  float* maximum;
  float* sum;
  float* values;

  static int64_t floats(int64_t rows, int64_t padded) { return rows * (padded + 2) + 32; }
  static State at(float* memory, int64_t rows, int64_t padded) {
    return {memory + rows * padded, memory + rows * padded + rows, memory};
  }
};

// One implementation: an instruction set and a type of elements.
struct Attention {
  // Bytes of scratch memory that `attend` wants.
  int64_t (*scratch)(const Problem&, int64_t rows);
  // The pieces begin..end of a context, into a state that it first empties. `next` is what this
  // thread will read after that.
  void (*attend)(
      const Problem&, const Run&, int64_t head, int64_t begin, int64_t end, const Place& next,
      State, char* scratch);
  void (*merge)(State into, State part, int64_t rows, int64_t padded);
  void (*finish)(const Problem&, const Run&, int64_t head, State);
  // `size` elements, turned, become int8 of one scale; `numbers` is room for them.
  void (*quantize)(const void* from, int64_t size, int8_t* to, float* scale, float* numbers);
};

enum class Element { float32, bfloat16, float16 };

// Of queries of the type `element`, and caches of that type, or of int8.
const Attention& attention_for(Element element);
const Attention& int8_attention_for(Element element);

// The tokens with slots and positions [T], of which negative slots are padding, by torch's threads.
void attend(const Problem&, const Attention&, const int64_t* slots, const int64_t* positions,
            int64_t tokens);

} // namespace serve
