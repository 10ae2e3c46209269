#pragma once

#include <filesystem>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

/// Paths of the JPEG and PNG files in a folder and those below it, sorted; throws user_error where it cannot be read.
std::vector<std::filesystem::path> pictures_in(const std::string& folder);

/// A picture as RGB bytes; empty where the file is damaged: unreadable, of no known format, or incomplete.
cv::Mat read_picture(const std::filesystem::path& file);
