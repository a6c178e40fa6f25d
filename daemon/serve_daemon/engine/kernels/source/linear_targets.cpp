// The linear operator's arithmetic. Every row has sums of its own, taken in the order of the inputs:
// the rows beside it change nothing.

#include "elements.h"
#include "linear.h"

namespace serve {

namespace portable {

static void panels(const Linear& linear, int64_t begin, int64_t end) {
  for (int64_t panel = begin; panel < end; ++panel) {
    const int64_t first = panel * PANEL;
    const int64_t width = linear.outputs - first < PANEL ? linear.outputs - first : PANEL;
    const uint16_t* weight = (const uint16_t*)(linear.weight + panel * linear.depth * PANEL);
    for (int64_t row = 0; row < linear.rows; ++row) {
      float sums[PANEL] = {};
      const uint16_t* input = linear.input + row * linear.stride;
      for (int64_t at = 0; at < linear.depth * 2; ++at)
        for (int64_t column = 0; column < PANEL; ++column)
          sums[column] += Bfloat16::wide(input[at]) *
              Bfloat16::wide(weight[(at / 2 * PANEL + column) * 2 + at % 2]);
      for (int64_t column = 0; column < width; ++column) {
        const float bias = linear.bias ? Bfloat16::wide(linear.bias[first + column]) : 0;
        linear.output[row * linear.outputs + first + column] =
            Bfloat16::rounded(sums[column] + bias);
      }
    }
  }
}

} // namespace portable

#if defined(SERVE_X86)

SERVE_BEGIN_TARGET(SERVE_AVX512_BF16)
namespace avx512_bf16 {

constexpr int64_t MOST_ROWS = 12; // times two vectors of sums: 24 of 32 registers
constexpr int64_t AHEAD_BYTES = 4096; // by measurement; half and double of it differ little

SERVE_INLINE __m512 biases(const Linear& linear, int64_t first, __mmask16 mask) {
  if (!linear.bias) return _mm512_setzero_ps();
  const __m256i bits = _mm256_maskz_loadu_epi16(mask, linear.bias + first);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

SERVE_INLINE __mmask16 filled(int64_t outputs, int64_t first) {
  const int64_t left = outputs - first;
  return left >= 16 ? 0xffff : left <= 0 ? 0 : (1u << left) - 1;
}

// ROWS rows of one panel. FIRST: the weights come from memory, so what follows is asked for.
template <int ROWS, bool FIRST>
static void tile(const Linear& linear, int64_t row, int64_t panel) {
  const uint32_t* weight = linear.weight + panel * linear.depth * PANEL;
  const uint16_t* input = linear.input + row * linear.stride;
  __m512 low[ROWS], high[ROWS];
  for (int each = 0; each < ROWS; ++each) low[each] = high[each] = _mm512_setzero_ps();
  for (int64_t at = 0; at < linear.depth; ++at) {
    if (FIRST) {
      _mm_prefetch((const char*)(weight + at * PANEL) + AHEAD_BYTES, _MM_HINT_T1);
      _mm_prefetch((const char*)(weight + at * PANEL) + AHEAD_BYTES + 64, _MM_HINT_T1);
    }
    const __m512bh left = (__m512bh)_mm512_loadu_si512(weight + at * PANEL);
    const __m512bh right = (__m512bh)_mm512_loadu_si512(weight + at * PANEL + 16);
    for (int each = 0; each < ROWS; ++each) {
      uint32_t pair;
      std::memcpy(&pair, input + each * linear.stride + at * 2, 4);
      const __m512bh factor = (__m512bh)_mm512_set1_epi32(pair);
      low[each] = _mm512_dpbf16_ps(low[each], left, factor);
      high[each] = _mm512_dpbf16_ps(high[each], right, factor);
    }
  }
  const int64_t first = panel * PANEL;
  const __mmask16 low_mask = filled(linear.outputs, first);
  const __mmask16 high_mask = filled(linear.outputs, first + 16);
  const __m512 low_bias = biases(linear, first, low_mask);
  const __m512 high_bias = biases(linear, first + 16, high_mask);
  for (int each = 0; each < ROWS; ++each) {
    uint16_t* out = linear.output + (row + each) * linear.outputs + first;
    _mm256_mask_storeu_epi16(
        out, low_mask, (__m256i)_mm512_cvtneps_pbh(_mm512_add_ps(low[each], low_bias)));
    _mm256_mask_storeu_epi16(
        out + 16, high_mask, (__m256i)_mm512_cvtneps_pbh(_mm512_add_ps(high[each], high_bias)));
  }
}

template <bool FIRST>
static void rows(const Linear& linear, int64_t row, int64_t count, int64_t panel) {
  switch (count) {
    case 1: return tile<1, FIRST>(linear, row, panel);
    case 2: return tile<2, FIRST>(linear, row, panel);
    case 3: return tile<3, FIRST>(linear, row, panel);
    case 4: return tile<4, FIRST>(linear, row, panel);
    case 5: return tile<5, FIRST>(linear, row, panel);
    case 6: return tile<6, FIRST>(linear, row, panel);
    case 7: return tile<7, FIRST>(linear, row, panel);
    case 8: return tile<8, FIRST>(linear, row, panel);
    case 9: return tile<9, FIRST>(linear, row, panel);
    case 10: return tile<10, FIRST>(linear, row, panel);
    case 11: return tile<11, FIRST>(linear, row, panel);
    default: return tile<12, FIRST>(linear, row, panel);
  }
}

static void panels(const Linear& linear, int64_t begin, int64_t end) {
  const int64_t tiles = (linear.rows + MOST_ROWS - 1) / MOST_ROWS;
  for (int64_t panel = begin; panel < end; ++panel) {
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t row = linear.rows * tile / tiles, next = linear.rows * (tile + 1) / tiles;
      if (tile == 0)
        rows<true>(linear, row, next - row, panel);
      else
        rows<false>(linear, row, next - row, panel);
    }
  }
}

} // namespace avx512_bf16
SERVE_END_TARGET

#endif // SERVE_X86

void linear_panels(const Linear& linear, int64_t begin, int64_t end) {
#if defined(SERVE_X86)
  if (level() == Level::avx512_bf16) return avx512_bf16::panels(linear, begin, end);
#endif
  portable::panels(linear, begin, end);
}

} // namespace serve
