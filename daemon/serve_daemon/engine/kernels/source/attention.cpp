// serve_daemon::slot_attention: keys and values are stored, runs found, work shared out.

#include "attention.h"
#include "tensors.h"
#include "threads.h"

#include <algorithm>
#include <vector>

#include <torch/csrc/stable/library.h>
#include <torch/headeronly/core/ScalarType.h>

using torch::headeronly::ScalarType;

namespace serve {
namespace {

constexpr int64_t STORED_AT_ONCE = 16; // tokens for which it is worth waking a thread

std::vector<Run> runs(const int64_t* slots, const int64_t* positions, int64_t tokens,
                      int64_t limit) {
  std::vector<Run> found;
  for (int64_t token = 0; token < tokens; ++token) {
    if (slots[token] < 0) continue;
    if (!found.empty()) {
      Run& last = found.back();
      if (last.token + last.count == token && last.slot == slots[token] &&
          last.end() == positions[token] && last.count < limit) {
        ++last.count;
        continue;
      }
    }
    found.push_back({token, 1, slots[token], positions[token]});
  }
  return found;
}

struct Pieces {
  int64_t begin, end;
};

Pieces pieces(const Problem& problem, const Run& run) {
  return {problem.first(run.position) / PIECE, (run.end() + PIECE - 1) / PIECE};
}

// One run for one key head.
struct Item {
  const Run* run;
  int64_t head;
  Pieces pieces;
  int64_t rows;

  int64_t length() const { return pieces.end - pieces.begin; }
  Place place(int64_t piece) const { return {run, head, piece}; }
};

void attend_whole(const Problem& problem, const Attention& attention, std::vector<Item>& items) {
  const int64_t padded = problem.padded_size();
  // The longest first: what is left at the end is short.
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return a.length() * a.rows > b.length() * b.rows;
  });
  shared_out(items.size(), [&](int64_t index, int64_t next) {
    thread_local Memory memory;
    const Item& item = items[index];
    const int64_t bytes = (State::floats(item.rows, padded) * 4 + 63) / 64 * 64;
    char* start = memory.at_least(bytes + attention.scratch(problem, item.rows));
    const State state = State::at((float*)start, item.rows, padded);
    attention.attend(problem, *item.run, item.head, item.pieces.begin, item.pieces.end,
                     items[next].place(items[next].pieces.begin), state, start + bytes);
    attention.finish(problem, *item.run, item.head, state);
  });
}

// The pieces of every item apart, and then put together in their order: the same arithmetic.
void attend_split(const Problem& problem, const Attention& attention, std::vector<Item>& items) {
  const int64_t padded = problem.padded_size();
  struct Part {
    int64_t item, piece, at;
  };
  std::vector<Part> parts;
  std::vector<int64_t> first;
  int64_t floats = 0;
  for (size_t index = 0; index < items.size(); ++index) {
    first.push_back(parts.size());
    for (int64_t piece = items[index].pieces.begin; piece < items[index].pieces.end; ++piece) {
      parts.push_back({(int64_t)index, piece, floats});
      floats += State::floats(items[index].rows, padded);
    }
  }
  thread_local Memory kept;
  float* states = (float*)kept.at_least(floats * 4);
  auto state = [&](const Part& part) {
    return State::at(states + part.at, items[part.item].rows, padded);
  };
  shared_out(parts.size(), [&](int64_t index, int64_t next) {
    thread_local Memory memory;
    const Part& part = parts[index];
    const Item& item = items[part.item];
    attention.attend(problem, *item.run, item.head, part.piece, part.piece + 1,
                     items[parts[next].item].place(parts[next].piece), state(part),
                     memory.at_least(attention.scratch(problem, item.rows)));
  });
  for (size_t index = 0; index < items.size(); ++index) {
    const Item& item = items[index];
    const State whole = state(parts[first[index]]);
    for (int64_t piece = 1; piece < item.length(); ++piece)
      attention.merge(whole, state(parts[first[index] + piece]), item.rows, padded);
    attention.finish(problem, *item.run, item.head, whole);
  }
}

void attend(const Problem& problem, const Attention& attention, const std::vector<Run>& found) {
  std::vector<Item> items;
  int64_t total = 0, longest = 0;
  for (const Run& run : found) {
    for (int64_t head = 0; head < problem.key_heads; ++head) {
      items.push_back({&run, head, pieces(problem, run), run.count * problem.group()});
      total += items.back().length();
      longest = std::max(longest, items.back().length());
    }
  }
  const int64_t threads = torch::stable::get_num_threads();
  if (threads > 1 && longest > 1 && longest * threads * 2 > total)
    attend_split(problem, attention, items);
  else
    attend_whole(problem, attention, items);
}

void store(const Tensor& from, const Tensor& cache, const int64_t* slots, const int64_t* positions,
           int64_t bytes) {
  const int64_t tokens = from.size(0), heads = cache.size(1), length = cache.size(2);
  const int64_t token_stride = from.stride(0), head_stride = from.stride(1);
  const int64_t row = cache.size(3) * bytes;
  const char* source = (const char*)from.const_data_ptr();
  char* target = (char*)cache.mutable_data_ptr();
  in_parallel(tokens, STORED_AT_ONCE, [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token) {
      if (slots[token] < 0) continue;
      for (int64_t head = 0; head < heads; ++head)
        std::memcpy(target + ((slots[token] * heads + head) * length + positions[token]) * row,
                    source + (token * token_stride + head * head_stride) * bytes, row);
    }
  });
}

Element element_of(ScalarType type) {
  switch (type) {
    case ScalarType::Float: return Element::float32;
    case ScalarType::BFloat16: return Element::bfloat16;
    case ScalarType::Half: return Element::float16;
    default: STD_TORCH_CHECK(false, "slot_attention takes float32, bfloat16 or float16");
  }
}

Tensor rows_contiguous(const Tensor& tensor) {
  return tensor.stride(2) == 1 || tensor.size(2) == 1 ? tensor : as_contiguous(tensor);
}

void check(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& key_cache,
           const Tensor& value_cache, const Tensor& slots, const Tensor& positions) {
  const int64_t tokens = query.size(0), size = query.size(2);
  STD_TORCH_CHECK(query.dim() == 3 && key.dim() == 3 && key_cache.dim() == 4,
                  "slot_attention takes query, key, value [T, heads, D] and caches [S, K, L, D]");
  for (const Tensor* each : {&key, &value})
    STD_TORCH_CHECK(each->size(0) == tokens && each->size(1) == key_cache.size(1) &&
                        each->size(2) == size && each->scalar_type() == query.scalar_type(),
                    "slot_attention: key and value must be [T, K, D] of query's type");
  for (const Tensor* each : {&key_cache, &value_cache})
    STD_TORCH_CHECK(each->is_contiguous() && each->size(0) == key_cache.size(0) &&
                        each->size(1) == key_cache.size(1) &&
                        each->size(2) == key_cache.size(2) && each->size(3) == size &&
                        each->scalar_type() == query.scalar_type(),
                    "slot_attention: caches must be contiguous [S, K, L, D] of query's type");
  STD_TORCH_CHECK(query.size(1) % key_cache.size(1) == 0,
                  "slot_attention: the query heads must be a multiple of the key heads");
  for (const Tensor* each : {&slots, &positions})
    STD_TORCH_CHECK(each->dim() == 1 && each->size(0) == tokens && each->is_contiguous() &&
                        each->scalar_type() == ScalarType::Long,
                    "slot_attention: slots and positions must be contiguous int64 [T]");
}

void check_places(const int64_t* slots, const int64_t* positions, const Tensor& query,
                  const Tensor& cache) {
  for (int64_t token = 0; token < query.size(0); ++token)
    STD_TORCH_CHECK(slots[token] < cache.size(0) &&
                        (slots[token] < 0 ||
                         (positions[token] >= 0 && positions[token] < cache.size(2))),
                    "slot_attention: slot ", slots[token], ", position ", positions[token],
                    " of token ", token, " is outside the cache");
}

Tensor slot_attention(
    const Tensor query_given, const Tensor key_given, const Tensor value_given, Tensor key_cache,
    Tensor value_cache, const Tensor slots_given, const Tensor positions_given, double scale,
    int64_t window, double softcap) {
  const Tensor query = rows_contiguous(query_given);
  const Tensor key = rows_contiguous(key_given), value = rows_contiguous(value_given);
  const Tensor slots_tensor = as_contiguous(slots_given);
  const Tensor positions_tensor = as_contiguous(positions_given);
  check(query, key, value, key_cache, value_cache, slots_tensor, positions_tensor);
  const Element element = element_of(query.scalar_type());
  const int64_t* slots = (const int64_t*)slots_tensor.const_data_ptr();
  const int64_t* positions = (const int64_t*)positions_tensor.const_data_ptr();
  check_places(slots, positions, query, key_cache);

  const int64_t tokens = query.size(0), heads = query.size(1), size = query.size(2);
  const int64_t bytes = element == Element::float32 ? 4 : 2;
  Tensor output = empty(query, {tokens, heads, size});
  char* out = (char*)output.mutable_data_ptr();
  for (int64_t token = 0; token < tokens; ++token)
    if (slots[token] < 0) std::memset(out + token * heads * size * bytes, 0, heads * size * bytes);
  store(key, key_cache, slots, positions, bytes);
  store(value, value_cache, slots, positions, bytes);
  const Problem problem = {
      query.const_data_ptr(), query.stride(0), query.stride(1), key_cache.const_data_ptr(),
      value_cache.const_data_ptr(), out, heads, key_cache.size(1), size, key_cache.size(2),
      window, (float)scale, (float)softcap};
  const int64_t limit = std::max<int64_t>(1, MAX_ROWS / problem.group());
  attend(problem, attention_for(element), runs(slots, positions, tokens, limit));
  return output;
}

} // namespace
} // namespace serve

STABLE_TORCH_LIBRARY_IMPL(serve_daemon, CPU, m) {
  m.impl("slot_attention", TORCH_BOX(&serve::slot_attention));
}
