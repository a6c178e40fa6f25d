// torch's threads, and memory that each of them keeps.
#pragma once

#include <algorithm>
#include <atomic>
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

// `work(index, next)` for each of 0..count; a thread that has done its share takes what is left.
// `next` is the index that the thread will be given after this one, or the same one.
template <class Work>
void shared_out(int64_t count, const Work& work) {
  const int64_t threads = std::min<int64_t>(count, torch::stable::get_num_threads());
  std::atomic<int64_t> next{0};
  in_parallel(threads, 1, [&](int64_t, int64_t) {
    int64_t index = next.fetch_add(1, std::memory_order_relaxed);
    while (index < count) {
      const int64_t following = next.fetch_add(1, std::memory_order_relaxed);
      work(index, following < count ? following : index);
      index = following;
    }
  });
}

} // namespace serve
