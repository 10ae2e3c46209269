#include "pictures.hpp"

#include <algorithm>
#include <cctype>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string_view>
#include <system_error>

#include "error.hpp"
#include "files.hpp"

namespace fs = std::filesystem;

namespace {

bool is_jpeg(std::string_view bytes) { return bytes.starts_with("\xff\xd8"); }

/// Whether a JPEG file comes to its end marker. The decoder paints the rest of one that does not in gray, and says so
/// on stderr alone. Segments that say how long they are may hold a thumbnail with markers of its own.
bool is_complete_jpeg(std::string_view bytes) {
    const auto at = [&](std::size_t k) { return static_cast<unsigned char>(bytes[k]); };
    for (std::size_t k = 2; k + 1 < bytes.size();) {
        const unsigned marker = at(k + 1);
        const bool is_marker = at(k) == 0xff && marker != 0 && marker != 0xff;
        const bool is_alone = marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7);  // says no length
        if (!is_marker) {
            ++k;  // compressed data
        } else if (marker == 0xd9) {
            return true;
        } else if (is_alone || k + 3 >= bytes.size()) {
            k += 2;
        } else {
            k += 2 + (std::size_t{at(k + 2)} << 8) + at(k + 3);
        }
    }
    return false;
}

}  // namespace

std::vector<fs::path> pictures_in(const std::string& folder) {
    if (!fs::is_directory(folder)) throw pretrain::user_error("no folder " + folder);
    std::vector<fs::path> files;
    std::error_code code;
    for (fs::recursive_directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
        std::string ending = entry->path().extension().string();
        std::transform(ending.begin(), ending.end(), ending.begin(),
                       [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
        const bool is_picture = ending == ".jpg" || ending == ".jpeg" || ending == ".png";
        std::error_code ignored;
        const fs::file_type type = entry->status(ignored).type();  // not found: a link that leads nowhere
        if (is_picture && (type == fs::file_type::regular || type == fs::file_type::not_found)) {
            files.push_back(entry->path());
        }
    }
    if (code) throw pretrain::user_error("cannot read folder " + folder + ": " + code.message());
    std::sort(files.begin(), files.end());
    return files;
}

cv::Mat read_picture(const fs::path& file) {
    cv::Mat picture;
    try {
        const std::string bytes = pretrain::read_file(file);
        if (bytes.empty() || (is_jpeg(bytes) && !is_complete_jpeg(bytes))) return {};
        picture = cv::imdecode(std::vector<unsigned char>(bytes.begin(), bytes.end()), cv::IMREAD_COLOR);
        if (!picture.empty()) cv::cvtColor(picture, picture, cv::COLOR_BGR2RGB);
    } catch (const pretrain::user_error&) {
        return {};
    } catch (const cv::Exception&) {
        return {};
    }
    return picture;
}
