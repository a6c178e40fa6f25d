// serve_daemon::bf16_linear and bf16_linears: the shapes, and the outputs shared out to threads.

#include "linear.h"
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

constexpr int64_t PAGE_BYTES = 4096;

// Of each thread: where one loses its core for a while, the others do what it has not begun.
constexpr int64_t SHARES = 8;

// Rows this far apart all fall into one set of the first cache, of which it holds but eight.
bool collides(int64_t rows, int64_t stride) { return rows > 6 && stride * 2 % PAGE_BYTES == 0; }

void copy_rows(const uint16_t* from, int64_t rows, int64_t width, uint16_t* to, int64_t stride) {
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(to + row * stride, from + row * width, width * 2);
    std::memset(to + row * stride + width, 0, (stride - width) * 2);
  }
}

// Some panels of one of several weights.
struct Share {
  const Linear* linear;
  int64_t begin, end;
};

std::vector<Share> shares(const std::vector<Linear>& linears) {
  int64_t panels = 0;
  for (const Linear& linear : linears) panels += linear.panels();
  const int64_t threads = torch::stable::get_num_threads();
  const int64_t grain = std::max<int64_t>(panels / (threads * SHARES), 1);
  std::vector<Share> found;
  for (const Linear& linear : linears)
    for (int64_t begin = 0; begin < linear.panels(); begin += grain)
      found.push_back({&linear, begin, std::min(begin + grain, linear.panels())});
  return found;
}

// All over the same rows of `inputs` inputs.
void compute(std::vector<Linear>& linears, int64_t inputs) {
  const Linear first = linears[0];
  thread_local Memory memory;
  if (inputs % 2 != 0 || collides(first.rows, inputs)) {
    const int64_t stride = first.depth * 2 + 32;
    uint16_t* rows = (uint16_t*)memory.at_least(first.rows * stride * 2);
    copy_rows(first.input, first.rows, inputs, rows, stride);
    for (Linear& linear : linears) linear.input = rows, linear.stride = stride;
  }
  const std::vector<Share> each = shares(linears);
  shared_out(each.size(), [&](int64_t index, int64_t) {
    linear_panels(*each[index].linear, each[index].begin, each[index].end);
  });
}

void check(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
           int64_t outputs) {
  const int64_t dims = input.dim(), panels = (outputs + PANEL - 1) / PANEL;
  STD_TORCH_CHECK(dims > 0 && input.scalar_type() == ScalarType::BFloat16,
                  "bf16_linear takes bfloat16");
  STD_TORCH_CHECK(weight.dim() == 4 && weight.is_contiguous() &&
                      weight.scalar_type() == ScalarType::BFloat16 && weight.size(0) == panels &&
                      weight.size(1) == (input.size(dims - 1) + 1) / 2 &&
                      weight.size(2) == PANEL && weight.size(3) == 2,
                  "bf16_linear: the weight is not pack_bf16_weight's for these sizes");
  STD_TORCH_CHECK(!bias || (bias->dim() == 1 && bias->size(0) == outputs &&
                            bias->is_contiguous() && bias->scalar_type() == ScalarType::BFloat16),
                  "bf16_linear: the bias must be contiguous bfloat16 [out_features]");
}

std::vector<Tensor> bf16_linears(const Tensor given, const std::vector<Tensor> weights,
                                 const std::vector<std::optional<Tensor>> biases,
                                 const std::vector<int64_t> outputs) {
  const size_t count = weights.size();
  STD_TORCH_CHECK(biases.size() == count && outputs.size() == count,
                  "bf16_linears takes as many biases and out_features as weights");
  for (size_t at = 0; at < count; ++at) check(given, weights[at], biases[at], outputs[at]);
  std::vector<Tensor> results;
  if (count == 0) return results;
  const Tensor input = as_contiguous(given);
  std::vector<int64_t> shape(input.sizes().begin(), input.sizes().end());
  const int64_t inputs = shape.back();
  int64_t rows = 1;
  for (size_t at = 0; at + 1 < shape.size(); ++at) rows *= shape[at];
  std::vector<Linear> linears;
  for (size_t at = 0; at < count; ++at) {
    shape.back() = outputs[at];
    results.push_back(empty(input, shape));
    linears.push_back({(const uint16_t*)input.const_data_ptr(), rows, inputs, (inputs + 1) / 2,
                       (const uint32_t*)weights[at].const_data_ptr(),
                       biases[at] ? (const uint16_t*)biases[at]->const_data_ptr() : nullptr,
                       (uint16_t*)results[at].mutable_data_ptr(), outputs[at]});
  }
  if (rows != 0) compute(linears, inputs);
  return results;
}

Tensor bf16_linear(const Tensor input, const Tensor weight, const std::optional<Tensor> bias,
                   int64_t outputs) {
  return bf16_linears(input, {weight}, {bias}, {outputs})[0];
}

} // namespace
} // namespace serve

STABLE_TORCH_LIBRARY_IMPL(serve_daemon, CPU, m) {
  m.impl("bf16_linear", TORCH_BOX(&serve::bf16_linear));
  m.impl("bf16_linears", TORCH_BOX(&serve::bf16_linears));
}
