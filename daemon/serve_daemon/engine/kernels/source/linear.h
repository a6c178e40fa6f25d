// A linear layer over weights packed as [out / 32, in / 2, 32 outputs, 2 inputs], padded by zeros.
#pragma once

#include "targets.h"

namespace serve {

constexpr int64_t PANEL = 32; // outputs that lie together

struct Linear {
  const uint16_t* input; // [rows, 2 * depth], `stride` elements from row to row
  int64_t rows, stride, depth; // depth: pairs of inputs
  const uint32_t* weight;
  const uint16_t* bias; // or null
  uint16_t* output; // [rows, outputs]
  int64_t outputs;

  int64_t panels() const { return (outputs + PANEL - 1) / PANEL; }
};

// The panels begin..end of the output.
void linear_panels(const Linear&, int64_t begin, int64_t end);

} // namespace serve
