// serve_daemon::block_linear and block_linears: the shapes, and the outputs shared out to threads.

#include "blocks.h"
#include "tensors.h"
#include "threads.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <torch/csrc/stable/library.h>
#include <torch/headeronly/core/ScalarType.h>

using torch::headeronly::ScalarType;

namespace serve {
namespace {

// Of each thread: where one loses its core for a while, the others do what it has not begun.
constexpr int64_t SHARES = 8;

// Quantized rows that stay in the second cache while weights pass by.
constexpr int64_t CACHED_BYTES = 512 * 1024;

// What takes one thread less than having another help.
constexpr int64_t QUANTIZED_ALONE = 32 * 1024;

using Bias = std::optional<Tensor>;

// Some panels of one of several weights.
struct Share {
  const BlockWeight* weight;
  int64_t begin, end;
};

std::vector<Share> shares(const std::vector<BlockWeight>& weights) {
  int64_t panels = 0;
  for (const BlockWeight& weight : weights) panels += (weight.outputs + PANEL - 1) / PANEL;
  const int64_t threads = torch::stable::get_num_threads();
  const int64_t grain = std::max<int64_t>(panels / (threads * SHARES), 1);
  std::vector<Share> found;
  for (const BlockWeight& weight : weights) {
    const int64_t own = (weight.outputs + PANEL - 1) / PANEL;
    for (int64_t begin = 0; begin < own; begin += grain)
      found.push_back({&weight, begin, std::min(begin + grain, own)});
  }
  return found;
}

BlockRows quantized(const BlockMath& math, const Tensor& input, int64_t rows, int64_t columns) {
  thread_local Memory memory;
  const int64_t blocks = columns / COLUMNS;
  const BlockRows to(memory.at_least(rows * blocks * BlockRows::RECORD), rows, blocks,
                     math.most_rows, input.scalar_type() == ScalarType::Float);
  const void* from = input.const_data_ptr();
  if (rows * columns <= QUANTIZED_ALONE)
    math.quantize(from, to, 0, to.tiles);
  else
    in_parallel(to.tiles, 1,
                [&](int64_t begin, int64_t end) { math.quantize(from, to, begin, end); });
  return to;
}

void multiply(const BlockMath& math, const BlockRows& rows,
              const std::vector<BlockWeight>& weights) {
  const int64_t tile = math.most_rows * rows.blocks * BlockRows::RECORD;
  const int64_t at_once = std::max<int64_t>(CACHED_BYTES / tile, 1);
  const std::vector<Share> each = shares(weights);
  shared_out(each.size(), [&](int64_t index, int64_t) {
    const Share& share = each[index];
    for (int64_t first = 0; first < rows.tiles; first += at_once)
      math.multiply(rows, *share.weight, share.begin, share.end, first,
                    std::min(first + at_once, rows.tiles));
  });
}

void check_input(const Tensor& input) {
  const ScalarType type = input.scalar_type();
  STD_TORCH_CHECK(input.dim() > 0 && (type == ScalarType::BFloat16 || type == ScalarType::Float),
                  "block_linear takes bfloat16 or float32");
}

void check(const Tensor& input, const Tensor& weight, const Bias& bias, int64_t layout,
           int64_t outputs) {
  const BlockFormat format = block_format(layout);
  const int64_t inputs = input.size(input.dim() - 1);
  STD_TORCH_CHECK(format.bits, "block_linear knows no layout ", layout);
  const int64_t columns = format.blocks() * COLUMNS;
  STD_TORCH_CHECK(outputs >= 0 && inputs % columns == 0,
                  "block_linear: the input's last dimension is ", inputs,
                  ", not a multiple of the layout's ", columns);
  const int64_t bytes = (outputs + PANEL - 1) / PANEL * (inputs / columns) * format.group();
  STD_TORCH_CHECK(weight.is_contiguous() && weight.scalar_type() == ScalarType::Byte &&
                      weight.numel() == bytes,
                  "block_linear: the weight is not blocks.pack's for these sizes");
  STD_TORCH_CHECK(!bias || (bias->dim() == 1 && bias->size(0) == outputs && bias->is_contiguous() &&
                            (bias->scalar_type() == ScalarType::Float ||
                             bias->scalar_type() == input.scalar_type())),
                  "block_linear: the bias must be contiguous [out_features], of the input's type "
                  "or float32");
}

BlockWeight weight_of(const Tensor& weight, const Bias& bias, int64_t layout, const Tensor& output,
                      int64_t outputs) {
  return {layout,
          (const char*)weight.const_data_ptr(),
          bias ? bias->const_data_ptr() : nullptr,
          bias && bias->scalar_type() == ScalarType::Float,
          (char*)output.mutable_data_ptr(),
          outputs};
}

std::vector<Tensor> block_linears(const Tensor given, const std::vector<Tensor> weights,
                                  const std::vector<Bias> biases,
                                  const std::vector<int64_t> layouts,
                                  const std::vector<int64_t> outputs) {
  check_input(given);
  const size_t count = weights.size();
  STD_TORCH_CHECK(biases.size() == count && layouts.size() == count && outputs.size() == count,
                  "block_linears takes as many biases, layouts and out_features as weights");
  const Tensor input = as_contiguous(given);
  std::vector<int64_t> shape(input.sizes().begin(), input.sizes().end());
  const int64_t columns = shape.back();
  int64_t rows = 1;
  for (size_t at = 0; at + 1 < shape.size(); ++at) rows *= shape[at];
  std::vector<Tensor> results;
  std::vector<BlockWeight> each;
  for (size_t at = 0; at < count; ++at) {
    check(input, weights[at], biases[at], layouts[at], outputs[at]);
    shape.back() = outputs[at];
    results.push_back(empty(input, shape));
    each.push_back(weight_of(weights[at], biases[at], layouts[at], results[at], outputs[at]));
  }
  if (rows == 0) return results;
  const BlockMath& math = block_math();
  multiply(math, quantized(math, input, rows, columns), each);
  return results;
}

Tensor block_linear(const Tensor input, const Tensor weight, const Bias bias, int64_t layout,
                    int64_t outputs) {
  return block_linears(input, {weight}, {bias}, {layout}, {outputs})[0];
}

} // namespace
} // namespace serve

STABLE_TORCH_LIBRARY_IMPL(serve_daemon, CPU, m) {
  m.impl("block_linear", TORCH_BOX(&serve::block_linear));
  m.impl("block_linears", TORCH_BOX(&serve::block_linears));
}
