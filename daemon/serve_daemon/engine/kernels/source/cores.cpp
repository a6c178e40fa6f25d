// Which core each of torch's threads computes on.

#include <sched.h>

#include "exported.h"
#include "threads.h"

// Where there are as many threads as cores, each thread of the caller's pool keeps to one of them;
// else all may use all.
SERVE_EXPORT void serve_daemon_keep_to_cores(const int* cores, int num_cores, int num_threads) {
  serve::in_parallel(num_threads, 1, [&](int64_t begin, int64_t end) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (num_threads == num_cores && end - begin == 1) {
      CPU_SET(cores[begin], &allowed);
    } else {
      for (int each = 0; each < num_cores; each++) CPU_SET(cores[each], &allowed);
    }
    sched_setaffinity(0, sizeof(allowed), &allowed);
  });
}
