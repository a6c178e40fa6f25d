// serve_daemon::bf16_linear: the shapes, and the outputs shared out to threads.

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

void compute(Linear linear, int64_t inputs) {
  const bool copied = inputs % 2 != 0 || collides(linear.rows, inputs);
  thread_local Memory memory;
  if (copied) {
    linear.stride = linear.depth * 2 + 32;
    uint16_t* rows = (uint16_t*)memory.at_least(linear.rows * linear.stride * 2);
    copy_rows(linear.input, linear.rows, inputs, rows, linear.stride);
    linear.input = rows;
  }
  const int64_t threads = torch::stable::get_num_threads();
  const int64_t grain = std::max<int64_t>(linear.panels() / (threads * SHARES), 1);
  shared_out((linear.panels() + grain - 1) / grain, [&](int64_t share, int64_t) {
    const int64_t begin = share * grain;
    linear_panels(linear, begin, std::min(begin + grain, linear.panels()));
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

Tensor bf16_linear(const Tensor given, const Tensor weight, const std::optional<Tensor> bias,
                   int64_t outputs) {
  check(given, weight, bias, outputs);
  const Tensor input = as_contiguous(given);
  const int64_t dims = input.dim(), inputs = input.size(dims - 1);
  std::vector<int64_t> shape(input.sizes().begin(), input.sizes().end());
  shape.back() = outputs;
  Tensor output = empty(input, shape);
  if (output.numel() == 0) return output;
  compute({(const uint16_t*)input.const_data_ptr(), output.numel() / outputs, inputs,
           (inputs + 1) / 2, (const uint32_t*)weight.const_data_ptr(),
           bias ? (const uint16_t*)bias->const_data_ptr() : nullptr,
           (uint16_t*)output.mutable_data_ptr(), outputs},
          inputs);
  return output;
}

} // namespace
} // namespace serve

STABLE_TORCH_LIBRARY_IMPL(serve_daemon, CPU, m) {
  m.impl("bf16_linear", TORCH_BOX(&serve::bf16_linear));
}
