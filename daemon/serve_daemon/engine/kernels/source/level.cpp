// What Python may ask and tests may lower: the instruction set in use, as a number of `Level`.

#include "blocks.h"
#include "exported.h"
#include "targets.h"

SERVE_EXPORT int serve_daemon_level() { return (int)serve::level(); }

SERVE_EXPORT void serve_daemon_limit_level(int level) { serve::limit = (serve::Level)level; }

// The same of block-quantized products, as a number of `BlockLevel`.
SERVE_EXPORT int serve_daemon_block_level() { return (int)serve::block_level(); }

SERVE_EXPORT void serve_daemon_limit_block_level(int level) {
  serve::block_limit = (serve::BlockLevel)level;
}
