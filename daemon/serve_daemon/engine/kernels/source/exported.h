// What Python calls by its name, without going through torch.
#pragma once

#define SERVE_EXPORT extern "C" __attribute__((visibility("default")))
