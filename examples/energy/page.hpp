#pragma once

#include <string>
#include <vector>

#include "clothes.hpp"
#include "modes.hpp"

namespace example {

/// A page that needs nothing beside itself; without clothes where there are none.
std::string to_html(const std::vector<mode_result>& modes, const clothes_result* clothes);

std::string to_json(const std::vector<mode_result>& modes, const clothes_result* clothes);

}  // namespace example
