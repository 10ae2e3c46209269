#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pretrain {

/// Seconds since an arbitrary moment.
double now();

/// One line on stderr that is overwritten on a terminal; elsewhere a line every ten seconds, and each epoch's last.
class progress_line {
  public:
    explicit progress_line(std::string title);

    void update(const std::string& text, bool is_milestone);
    void finish();

  private:
    std::string title_;
    bool is_terminal_;
    bool is_open_ = false;
    double last_ = 0;
};

/// 75 as "1:15".
std::string minutes(double seconds);

}  // namespace pretrain
