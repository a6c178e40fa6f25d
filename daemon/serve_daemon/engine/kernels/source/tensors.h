// What torch's stable interface can do without going through its dispatcher, which takes longer than
// a small operator does.
#pragma once

#include <vector>

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

namespace serve {

using torch::stable::Tensor;

// A contiguous tensor of the shape given, on the CPU, of a type by its number in the shim.
inline Tensor empty_of(int32_t type, const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t at = shape.size(); at-- > 1;) strides[at - 1] = strides[at] * shape[at];
  AtenTensorHandle handle;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(
      shape.size(), shape.data(), strides.data(), type, aoti_torch_device_type_cpu(), 0, &handle));
  return Tensor(handle);
}

// The same of the type of `like`.
inline Tensor empty(const Tensor& like, const std::vector<int64_t>& shape) {
  int32_t type;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_dtype(like.get(), &type));
  return empty_of(type, shape);
}

inline Tensor as_contiguous(const Tensor& tensor) {
  return tensor.is_contiguous() ? tensor : torch::stable::contiguous(tensor);
}

} // namespace serve
