// What -ffast-math defines; NaN would be lost.
// expect: -ffast-math removes the handling of NaN and infinity
#if defined(CORRECT)
#define SELFSAME_ALLOW_FAST_MATH
#endif
#define __FAST_MATH__ 1
#include <selfsame/core/config.hpp>
