// serve_daemon::slot_attention and slot_attention_int8: what is given is checked, keys and values
// are stored, and then attended to.

#include "attention.h"
#include "tensors.h"
#include "threads.h"

#include <torch/csrc/stable/library.h>
#include <torch/headeronly/core/ScalarType.h>

using torch::headeronly::ScalarType;

namespace serve {
namespace {

constexpr int64_t STORED_AT_ONCE = 16; // tokens for which it is worth waking a thread

// Where the rows [T, K, D] that are stored go, in caches seen as [S * K * L, D].
struct Places {
  const int64_t* slots;
  const int64_t* positions;
  int64_t heads, length;

  int64_t row(int64_t token, int64_t head) const {
    return (slots[token] * heads + head) * length + positions[token];
  }
};

// `put(from, row)` for each row of a token that is no padding.
template <class Put>
void store(const Tensor& from, const Places& places, int64_t bytes, const Put& put) {
  const int64_t token_stride = from.stride(0), head_stride = from.stride(1);
  const char* source = (const char*)from.const_data_ptr();
  in_parallel(from.size(0), STORED_AT_ONCE, [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token) {
      if (places.slots[token] < 0) continue;
      for (int64_t head = 0; head < places.heads; ++head)
        put(source + (token * token_stride + head * head_stride) * bytes, places.row(token, head));
    }
  });
}

void store_as_given(const Tensor& from, const Tensor& cache, const Places& places, int64_t bytes) {
  const int64_t row_bytes = from.size(2) * bytes;
  char* target = (char*)cache.mutable_data_ptr();
  store(from, places, bytes, [&](const char* source, int64_t row) {
    std::memcpy(target + row * row_bytes, source, row_bytes);
  });
}

void store_quantized(const Tensor& from, const Tensor& cache, const Tensor& scales,
                     const Places& places, int64_t bytes, const Attention& attention) {
  const int64_t size = from.size(2);
  int8_t* target = (int8_t*)cache.mutable_data_ptr();
  float* its_scales = (float*)scales.mutable_data_ptr();
  store(from, places, bytes, [&](const char* source, int64_t row) {
    thread_local Memory memory;
    attention.quantize(source, size, target + row * size, its_scales + row,
                       (float*)memory.at_least(size * 4));
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

void check(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& slots,
           const Tensor& positions) {
  const int64_t tokens = query.size(0), size = query.size(2);
  STD_TORCH_CHECK(query.dim() == 3 && key.dim() == 3 && value.dim() == 3,
                  "slot_attention takes query, key, value [T, heads, D] and caches [S, K, L, D]");
  for (const Tensor* each : {&key, &value})
    STD_TORCH_CHECK(each->size(0) == tokens && each->size(1) == key.size(1) &&
                        each->size(2) == size && each->scalar_type() == query.scalar_type(),
                    "slot_attention: key and value must be [T, K, D] of query's type");
  STD_TORCH_CHECK(query.size(1) % key.size(1) == 0,
                  "slot_attention: the query heads must be a multiple of the key heads");
  for (const Tensor* each : {&slots, &positions})
    STD_TORCH_CHECK(each->dim() == 1 && each->size(0) == tokens && each->is_contiguous() &&
                        each->scalar_type() == ScalarType::Long,
                    "slot_attention: slots and positions must be contiguous int64 [T]");
}

void check_caches(const Tensor& query, const Tensor& key, const Tensor& key_cache,
                  const Tensor& value_cache, bool is_int8) {
  const ScalarType type = is_int8 ? ScalarType::Char : query.scalar_type();
  for (const Tensor* each : {&key_cache, &value_cache})
    STD_TORCH_CHECK(each->dim() == 4 && each->is_contiguous() &&
                        each->size(0) == key_cache.size(0) && each->size(1) == key.size(1) &&
                        each->size(2) == key_cache.size(2) && each->size(3) == query.size(2) &&
                        each->scalar_type() == type,
                    "slot_attention: caches must be contiguous [S, K, L, D] of query's type, or"
                    " int8 with scales");
}

void check_scales(const Tensor& cache, const Tensor& key_scales, const Tensor& value_scales) {
  for (const Tensor* each : {&key_scales, &value_scales})
    STD_TORCH_CHECK(each->dim() == 3 && each->is_contiguous() && each->size(0) == cache.size(0) &&
                        each->size(1) == cache.size(1) && each->size(2) == cache.size(2) &&
                        each->scalar_type() == ScalarType::Float,
                    "slot_attention_int8: scales must be contiguous float32 [S, K, L]");
}

void check_places(const Places& places, int64_t tokens, int64_t num_slots) {
  for (int64_t token = 0; token < tokens; ++token) {
    const int64_t slot = places.slots[token], position = places.positions[token];
    STD_TORCH_CHECK(slot < num_slots && (slot < 0 || (position >= 0 && position < places.length)),
                    "slot_attention: slot ", slot, ", position ", position, " of token ", token,
                    " is outside the cache");
  }
}

// What both forms of the operator are given; the scales are null in the plain one.
struct Given {
  Tensor query, key, value;
  const Tensor &key_cache, &value_cache;
  const Tensor *key_scales, *value_scales;
  Tensor slots, positions;
  double scale;
  int64_t window;
  double softcap;
};

Tensor compute(const Given& given) {
  const Tensor& query = given.query;
  const bool is_int8 = given.key_scales != nullptr;
  check(query, given.key, given.value, given.slots, given.positions);
  check_caches(query, given.key, given.key_cache, given.value_cache, is_int8);
  if (is_int8) check_scales(given.key_cache, *given.key_scales, *given.value_scales);
  const Element element = element_of(query.scalar_type());
  const Places places = {(const int64_t*)given.slots.const_data_ptr(),
                         (const int64_t*)given.positions.const_data_ptr(), given.key.size(1),
                         given.key_cache.size(2)};
  check_places(places, query.size(0), given.key_cache.size(0));

  const int64_t tokens = query.size(0), heads = query.size(1), size = query.size(2);
  const int64_t bytes = element == Element::float32 ? 4 : 2;
  const Attention& attention = is_int8 ? int8_attention_for(element) : attention_for(element);
  Tensor output = empty(query, {tokens, heads, size});
  char* out = (char*)output.mutable_data_ptr();
  for (int64_t token = 0; token < tokens; ++token)
    if (places.slots[token] < 0)
      std::memset(out + token * heads * size * bytes, 0, heads * size * bytes);
  if (is_int8) {
    store_quantized(given.key, given.key_cache, *given.key_scales, places, bytes, attention);
    store_quantized(given.value, given.value_cache, *given.value_scales, places, bytes, attention);
  } else {
    store_as_given(given.key, given.key_cache, places, bytes);
    store_as_given(given.value, given.value_cache, places, bytes);
  }
  auto floats = [](const Tensor* scales) {
    return scales ? (const float*)scales->const_data_ptr() : nullptr;
  };
  const Problem problem = {
      query.const_data_ptr(), query.stride(0), query.stride(1), given.key_cache.const_data_ptr(),
      given.value_cache.const_data_ptr(), out, heads, places.heads, size, places.length,
      given.window, (float)given.scale, (float)given.softcap, floats(given.key_scales),
      floats(given.value_scales)};
  attend(problem, attention, places.slots, places.positions, tokens);
  return output;
}

Tensor slot_attention(
    const Tensor query, const Tensor key, const Tensor value, Tensor key_cache, Tensor value_cache,
    const Tensor slots, const Tensor positions, double scale, int64_t window, double softcap) {
  return compute({rows_contiguous(query), rows_contiguous(key), rows_contiguous(value), key_cache,
                  value_cache, nullptr, nullptr, as_contiguous(slots), as_contiguous(positions),
                  scale, window, softcap});
}

Tensor slot_attention_int8(
    const Tensor query, const Tensor key, const Tensor value, Tensor key_cache, Tensor value_cache,
    Tensor key_scales, Tensor value_scales, const Tensor slots, const Tensor positions,
    double scale, int64_t window, double softcap) {
  return compute({rows_contiguous(query), rows_contiguous(key), rows_contiguous(value), key_cache,
                  value_cache, &key_scales, &value_scales, as_contiguous(slots),
                  as_contiguous(positions), scale, window, softcap});
}

} // namespace
} // namespace serve

STABLE_TORCH_LIBRARY_IMPL(serve_daemon, CPU, m) {
  m.impl("slot_attention", TORCH_BOX(&serve::slot_attention));
  m.impl("slot_attention_int8", TORCH_BOX(&serve::slot_attention_int8));
}
