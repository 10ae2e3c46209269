#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain {

/// The whole file; throws user_error that names it.
std::string read_file(const std::filesystem::path& path);

/// The whole file, unpacked if it is gzip. A truncated or corrupt stream throws; so does one that unpacks to more than
/// `limit` bytes.
std::vector<std::uint8_t> read_file_or_gzip(const std::filesystem::path& path, std::size_t limit);

/// Writes beside `path`, flushes to the disk, then renames: a reader sees the old content or the new, never a mixture,
/// and a failure (a full disk, a kill) leaves the old content alone.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

void make_folder(const std::filesystem::path& path);

}  // namespace pretrain
