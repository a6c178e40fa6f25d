// torch's threads, and memory that each of them keeps.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

#include <torch/csrc/stable/ops.h>

namespace serve {

// Memory that a thread keeps from call to call.
class Memory {
 public:
  ~Memory() { std::free(memory_); }

  char* at_least(int64_t bytes) {
    if (bytes > size_) {
      std::free(memory_);
      size_ = (bytes + 4095) / 4096 * 4096;
      memory_ = (char*)std::aligned_alloc(64, size_);
      if (!memory_) throw std::bad_alloc();
    }
    return memory_;
  }

 private:
  char* memory_ = nullptr;
  int64_t size_ = 0;
};

// `work(begin, end)` is called for parts of 0..count by torch's threads.
template <class Work>
void in_parallel(int64_t count, int64_t grain, const Work& work) {
  if (count > 0) torch::stable::parallel_for(0, count, grain, work);
}

} // namespace serve
