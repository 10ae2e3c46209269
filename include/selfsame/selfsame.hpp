#pragma once

/// \file
/// Everything that needs no framework. Adapters are in selfsame/interop/.

#include "selfsame/augment/augment.hpp"
#include "selfsame/cluster/sinkhorn.hpp"
#include "selfsame/energy/energy.hpp"
#include "selfsame/objective/embedding_queue.hpp"
#include "selfsame/objective/info_nce.hpp"
#include "selfsame/objective/soft_cross_entropy.hpp"
#include "selfsame/objective/sum.hpp"
#include "selfsame/objective/swav.hpp"
#include "selfsame/version.hpp"
