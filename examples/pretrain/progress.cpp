#include "progress.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

namespace pretrain {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

progress_line::progress_line(std::string title) : title_(std::move(title)), is_terminal_(isatty(STDERR_FILENO) != 0) {}

void progress_line::update(const std::string& text, bool is_milestone) {
    const double interval = is_terminal_ ? 0.2 : 10;
    const double time = now();
    if (!is_milestone && time - last_ < interval) return;
    last_ = time;
    if (is_terminal_) {
        std::fprintf(stderr, "\r\033[K%s  %s", title_.c_str(), text.c_str());
        is_open_ = true;
    } else {
        std::fprintf(stderr, "%s  %s\n", title_.c_str(), text.c_str());
    }
    std::fflush(stderr);
}

void progress_line::finish() {
    if (is_open_) std::fputc('\n', stderr);
    is_open_ = false;
}

std::string minutes(double seconds) {
    const auto whole = static_cast<long>(std::lround(seconds));
    char text[32];
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
    return text;
}

}  // namespace pretrain
