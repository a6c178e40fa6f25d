// serve_daemon::block_embedding: single rows of a packed table, de-quantized.

#include "block_numbers.h"
#include "elements.h"
#include "tensors.h"
#include "threads.h"

#include <vector>

#include <torch/csrc/stable/library.h>
#include <torch/headeronly/core/ScalarType.h>

using torch::headeronly::ScalarType;

namespace serve {
namespace {

constexpr int64_t ROWS_AT_ONCE = 8; // which take a thread about as long as being called

void put(const PackedRow& row, int64_t blocks, bool wide, char* to) {
  for (int64_t block = 0; block < blocks; ++block) {
    int numbers[COLUMNS];
    row.numbers(block, numbers);
    const float scales[2] = {row.scale(block, 0), row.scale(block, row.format.units() - 1)};
    const float minimum = row.minimum(block);
    for (int column = 0; column < COLUMNS; ++column) {
      // Rounded before the minimum is added, as in GGUF's definition.
      volatile float product = (float)numbers[column] * scales[column / 16];
      const float value = row.format.minimums ? product + minimum : product;
      const int64_t at = block * COLUMNS + column;
      if (wide)
        ((float*)to)[at] = value;
      else
        ((uint16_t*)to)[at] = Bfloat16::rounded(value);
    }
  }
}

Tensor block_embedding(const Tensor given, const Tensor weight, int64_t layout, int64_t rows,
                       int64_t columns, ScalarType type) {
  const BlockFormat format = block_format(layout);
  STD_TORCH_CHECK(format.bits, "block_embedding knows no layout ", layout);
  const int64_t group = format.blocks() * COLUMNS;
  const int64_t bytes = (rows + PANEL - 1) / PANEL * (columns / group) * format.group();
  STD_TORCH_CHECK(columns % group == 0 && weight.is_contiguous() && weight.numel() == bytes &&
                      weight.scalar_type() == ScalarType::Byte,
                  "block_embedding: the weight is not blocks.pack's for these sizes");
  STD_TORCH_CHECK(given.scalar_type() == ScalarType::Long, "block_embedding takes int64 ids");
  STD_TORCH_CHECK(type == ScalarType::Float || type == ScalarType::BFloat16,
                  "block_embedding makes bfloat16 or float32");
  const Tensor ids = as_contiguous(given);
  std::vector<int64_t> shape(ids.sizes().begin(), ids.sizes().end());
  shape.push_back(columns);
  Tensor output = empty_of(
      type == ScalarType::Float ? aoti_torch_dtype_float32() : aoti_torch_dtype_bfloat16(), shape);
  const bool wide = type == ScalarType::Float;
  const int64_t count = ids.numel();
  const int64_t* id = (const int64_t*)ids.const_data_ptr();
  for (int64_t at = 0; at < count; ++at)
    STD_TORCH_CHECK(id[at] >= 0 && id[at] < rows, "block_embedding: there is no row ", id[at]);
  const char* panels = (const char*)weight.const_data_ptr();
  char* to = (char*)output.mutable_data_ptr();
  const int64_t blocks = columns / COLUMNS;
  in_parallel(count, ROWS_AT_ONCE, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at)
      put(packed_row(layout, panels, blocks, id[at]), blocks, wide,
          to + at * columns * (wide ? 4 : 2));
  });
  return output;
}

} // namespace
} // namespace serve

STABLE_TORCH_LIBRARY_IMPL(serve_daemon, CPU, m) {
  m.impl("block_embedding", TORCH_BOX(&serve::block_embedding));
}
