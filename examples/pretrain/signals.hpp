#pragma once

namespace pretrain {

/// SIGINT and SIGTERM ask the work in hand to stop; a second Ctrl-C ends the program at once.
void stop_on_signals();
bool stop_requested();

}  // namespace pretrain
