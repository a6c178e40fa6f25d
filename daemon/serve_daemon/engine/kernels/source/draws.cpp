// serve_daemon::likeliest and serve_daemon::draw: a token of each row of logits.

#include "draws.h"
#include "tensors.h"
#include "threads.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include <torch/csrc/stable/library.h>
#include <torch/headeronly/core/ScalarType.h>

using torch::headeronly::ScalarType;

namespace serve {
namespace {

constexpr int64_t PARAMETERS = 5;
constexpr float NOTHING = -std::numeric_limits<float>::infinity();
constexpr double LOG2_E = 1.4426950408889634;

// As `drawing.py` has them in a row of its table.
struct Shape {
  double temperature, top_k, top_p, min_p, point;
};

struct Candidate {
  float logit;
  int64_t token;
  double mass;
};

// One row's bit of each token that may come; no words where all may.
struct Mask {
  const uint32_t* words;
  int64_t num_words;
};

// One row of logits. The memory is the calling thread's.
class Row {
 public:
  Row(const float* logits, int64_t count, const Mask& mask) : logits_(logits), count_(count) {
    largest_.resize(draw_blocks(count));
    if (mask.words) {
      allowed_.resize(draw_blocks(count) * DRAW_BLOCK);
      logits_ = allowed_.data();
      draw_passes().allowed(
          logits, count, mask.words, mask.num_words, allowed_.data(), largest_.data());
    } else {
      draw_passes().largest(logits, count, largest_.data());
    }
    top_block_ = std::max_element(largest_.begin(), largest_.end()) - largest_.begin();
  }

  int64_t likeliest() const {
    const float* begin = logits_ + top_block_ * DRAW_BLOCK;
    const float* end = logits_ + end_of(top_block_);
    const float* found = std::find(begin, end, top());
    return (found == end ? begin : found) - logits_;
  }

  int64_t draw(const Shape& shape) {
    if (!(top() > NOTHING && top() < INFINITY)) return likeliest();
    const bool has_top_k = shape.top_k > 0 && shape.top_k < count_;
    if (has_top_k || shape.top_p < 1 || shape.min_p > 0) return draw_cut(shape, has_top_k);
    find_masses(shape);
    return pick_of_all(shape);
  }

 private:
  float top() const { return largest_[top_block_]; }

  int64_t end_of(int64_t block) const { return std::min((block + 1) * DRAW_BLOCK, count_); }

  double mass(float logit, const Shape& shape) const {
    return std::exp(((double)logit - top()) / shape.temperature);
  }

  void find_masses(const Shape& shape) {
    masses_.resize(largest_.size());
    const float scale = (float)(LOG2_E / shape.temperature);
    draw_passes().masses(logits_, count_, top(), scale, masses_.data());
    whole_ = 0;
    for (float each : masses_) whole_ += each;
  }

  // The token up to which the point of all mass lies: its block first, then its place there.
  int64_t pick_of_all(const Shape& shape) {
    double left = shape.point * whole_;
    int64_t block = 0, last = top_block_;
    for (; block < (int64_t)masses_.size(); ++block) {
      if (masses_[block] > 0) last = block;
      if (left < masses_[block]) break;
      left -= masses_[block];
    }
    if (block == (int64_t)masses_.size()) left = masses_[block = last]; // rounded past the end
    const double share = left / masses_[block];
    candidates_.clear();
    for (int64_t token = block * DRAW_BLOCK; token < end_of(block); ++token)
      add_candidate(token, shape);
    return pick(share, candidates_.size());
  }

  void add_candidate(int64_t token, const Shape& shape) {
    candidates_.push_back({logits_[token], token, mass(logits_[token], shape)});
  }

  // The token up to which `share` of the mass of the first candidates lies, in their order.
  int64_t pick(double share, size_t number) const {
    double sum = 0;
    for (size_t each = 0; each < number; ++each) sum += candidates_[each].mass;
    double left = share * sum;
    int64_t found = candidates_[0].token;
    for (size_t each = 0; each < number; ++each) {
      if (candidates_[each].mass <= 0) continue;
      found = candidates_[each].token;
      if (left < candidates_[each].mass) break;
      left -= candidates_[each].mass;
    }
    return found;
  }

  // Few candidates first, those of the blocks with the largest maxima; more where the cut is not
  // among them. The likeliest comes first.
  int64_t draw_cut(const Shape& shape, bool has_top_k) {
    if (shape.top_p < 1 && !has_top_k) find_masses(shape);
    std::vector<float> maxima(largest_);
    size_t kept = 0;
    for (size_t width = 64; !kept; width *= 4) {
      float least = NOTHING;
      if (width / 4 < maxima.size()) {
        const size_t nth = std::min(width, maxima.size()) - 1;
        std::nth_element(maxima.begin(), maxima.begin() + nth, maxima.end(), std::greater<float>());
        least = maxima[nth];
      }
      find_candidates(least, shape);
      kept = kept_of(shape, has_top_k, least == NOTHING);
    }
    const auto by_token = [](const Candidate& a, const Candidate& b) { return a.token < b.token; };
    std::sort(candidates_.begin(), candidates_.begin() + kept, by_token);
    return pick(shape.point, kept);
  }

  void find_candidates(float least, const Shape& shape) {
    candidates_.clear();
    for (size_t block = 0; block < largest_.size(); ++block) {
      if (!(largest_[block] >= least && largest_[block] > NOTHING)) continue;
      for (int64_t token = block * DRAW_BLOCK; token < end_of(block); ++token)
        if (logits_[token] >= least && logits_[token] > NOTHING) add_candidate(token, shape);
    }
    std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
      return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
    });
  }

  // How many of the sorted candidates are left by all cuts; 0 where there are too few to tell.
  size_t kept_of(const Shape& shape, bool has_top_k, bool are_all) const {
    size_t number = candidates_.size();
    double whole = whole_;
    bool is_cut = are_all;
    if (has_top_k) {
      const size_t k = (size_t)shape.top_k;
      if (number < k && !are_all) return 0;
      if (number > k) {
        const float last = candidates_[k - 1].logit;
        while (candidates_[number - 1].logit < last) --number;
      }
      is_cut = true;
      whole = 0;
      for (size_t each = 0; each < number; ++each) whole += candidates_[each].mass;
    }
    double above = 0;
    for (size_t each = 0; each < number; ++each) {
      const double own = candidates_[each].mass;
      const bool is_beyond = shape.top_p < 1 && above >= shape.top_p * whole;
      if (each > 0 && (is_beyond || own < candidates_[0].mass * shape.min_p)) return each;
      above += own;
    }
    return is_cut ? number : 0;
  }

  const float* logits_;
  int64_t count_, top_block_;
  double whole_ = 0;
  static thread_local std::vector<float> largest_, masses_, allowed_;
  static thread_local std::vector<Candidate> candidates_;
};

thread_local std::vector<float> Row::largest_, Row::masses_, Row::allowed_;
thread_local std::vector<Candidate> Row::candidates_;

// The masks of several rows, packed; or none.
class Masks {
 public:
  Masks(const std::optional<Tensor>& given, int64_t rows) {
    if (!given) return;
    STD_TORCH_CHECK(
        given->dim() == 2 && given->size(0) == rows && given->scalar_type() == ScalarType::Int,
        "the masks must be int32 [rows, words]");
    masks_ = as_contiguous(*given);
    words_ = (const uint32_t*)masks_->const_data_ptr();
    num_words_ = masks_->size(1);
  }

  Mask operator[](int64_t row) const {
    return {words_ ? words_ + row * num_words_ : nullptr, num_words_};
  }

 private:
  std::optional<Tensor> masks_;
  const uint32_t* words_ = nullptr;
  int64_t num_words_ = 0;
};

template <class Work>
Tensor for_each_row(const Tensor& given, const std::optional<Tensor>& bits, const Work& work) {
  STD_TORCH_CHECK(given.dim() == 2 && given.scalar_type() == ScalarType::Float && given.size(1) > 0,
                  "the logits must be float32 [rows, vocabulary]");
  const Tensor logits = as_contiguous(given);
  const Masks masks(bits, logits.size(0));
  const int64_t rows = logits.size(0), count = logits.size(1);
  Tensor tokens = empty_of(aoti_torch_dtype_int64(), {rows});
  const float* from = (const float*)logits.const_data_ptr();
  int64_t* to = (int64_t*)tokens.mutable_data_ptr();
  in_parallel(rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      Row logits_of(from + row * count, count, masks[row]);
      to[row] = work(logits_of, row);
    }
  });
  return tokens;
}

Tensor likeliest(const Tensor logits, const std::optional<Tensor> masks) {
  return for_each_row(logits, masks, [](const Row& row, int64_t) { return row.likeliest(); });
}

Tensor draw(const Tensor logits, const Tensor given, const std::optional<Tensor> masks) {
  STD_TORCH_CHECK(given.dim() == 2 && given.size(0) == logits.size(0) &&
                      given.size(1) == PARAMETERS && given.scalar_type() == ScalarType::Double,
                  "draw: the parameters must be float64 [rows, 5]");
  const Tensor shapes = as_contiguous(given);
  const Shape* shape = (const Shape*)shapes.const_data_ptr();
  return for_each_row(logits, masks, [&](Row& row, int64_t at) {
    return shape[at].temperature > 0 ? row.draw(shape[at]) : row.likeliest();
  });
}

} // namespace
} // namespace serve

STABLE_TORCH_LIBRARY_IMPL(serve_daemon, CPU, m) {
  m.impl("likeliest", TORCH_BOX(&serve::likeliest));
  m.impl("draw", TORCH_BOX(&serve::draw));
}
