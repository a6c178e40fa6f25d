// Attention's work: runs of tokens are found and shared out among torch's threads.

#include "attention.h"
#include "threads.h"

#include <algorithm>
#include <vector>

namespace serve {
namespace {

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

} // namespace

void attend(const Problem& problem, const Attention& attention, const int64_t* slots,
            const int64_t* positions, int64_t tokens) {
  const int64_t limit = std::max<int64_t>(1, MAX_ROWS / problem.group());
  const std::vector<Run> found = runs(slots, positions, tokens, limit);
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

} // namespace serve
