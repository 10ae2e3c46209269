#pragma once

#include <stdexcept>
#include <string>

namespace pretrain {

/// A fault of the input, the options or the machine that the user can mend: main prints its one line and exits with 2.
class user_error : public std::runtime_error {
  public:
    explicit user_error(const std::string& line) : std::runtime_error(line) {}
};

}  // namespace pretrain
