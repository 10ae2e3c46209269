#pragma once

#include <string>
#include <vector>

#include "clothes.hpp"
#include "modes.hpp"

namespace example {

/// A page that needs nothing beside itself.
std::string to_html(const std::vector<mode_result>& modes, const std::vector<clothes_result>& clothes);

std::string to_json(const std::vector<mode_result>& modes, const std::vector<clothes_result>& clothes);

}  // namespace example
