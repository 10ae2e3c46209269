// pictures make FOLDER COUNT    writes square pictures of smooth colours, a.png, b.jpg, c.png, ...
// pictures plain FOLDER H W     writes a gray picture of that height and width
// pictures size SHEET           prints the width and height of a contact sheet
// pictures turned SHEET         whether the four views of each row are one, turned by 0, 90, 180 and 270 degrees
// pictures masked SHEET         whether the last view of each row is the one before it with three quarters gray
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

namespace {

constexpr int gap = 4, side = 128;  // of contact sheets

cv::Mat view(const cv::Mat& sheet, int row, int column) {
    return sheet(cv::Rect(gap + column * (side + gap), gap + row * (side + gap), side, side));
}
int rows_of(const cv::Mat& sheet) { return (sheet.rows - gap) / (side + gap); }

int make(const std::filesystem::path& folder, int count) {
    std::filesystem::create_directories(folder);
    cv::RNG random(1);
    for (int k = 0; k < count; ++k) {
        cv::Mat coarse(6, 6, CV_8UC3), picture;
        random.fill(coarse, cv::RNG::UNIFORM, 0, 256);
        cv::resize(coarse, picture, cv::Size(160 + 16 * k, 160 + 16 * k), 0, 0, cv::INTER_CUBIC);
        const std::string name = std::string(1, static_cast<char>('a' + k)) + (k % 2 == 0 ? ".png" : ".jpg");
        if (!cv::imwrite((folder / name).string(), picture)) return 1;
    }
    return 0;
}

// A picture of 224 pixels was made 128: the same both ways, but for rounding.
bool is_turned(const cv::Mat& sheet) {
    constexpr int turns[] = {cv::ROTATE_90_COUNTERCLOCKWISE, cv::ROTATE_180, cv::ROTATE_90_CLOCKWISE};
    for (int row = 0; row < rows_of(sheet); ++row) {
        for (int k = 0; k < 3; ++k) {
            cv::Mat turned;
            cv::rotate(view(sheet, row, 1), turned, turns[k]);
            if (cv::norm(turned, view(sheet, row, 2 + k), cv::NORM_INF) > 1) return false;
        }
    }
    return rows_of(sheet) > 0;
}

bool is_masked(const cv::Mat& sheet) {
    for (int row = 0; row < rows_of(sheet); ++row) {
        const cv::Mat whole = view(sheet, row, 1), masked = view(sheet, row, 2);
        int hidden = 0, patches = 0;
        for (int y = 0; y < 14; ++y) {
            for (int x = 0; x < 14; ++x) {
                const auto middle = [](int k) { return static_cast<int>((k + 0.5) * side / 14); };
                const auto at = masked.at<cv::Vec3b>(middle(y), middle(x));
                const bool is_gray = at == cv::Vec3b(127, 127, 127);
                if (!is_gray && at != whole.at<cv::Vec3b>(middle(y), middle(x))) return false;
                hidden += is_gray;
                ++patches;
            }
        }
        if (hidden * 4 != patches * 3) return false;
    }
    return rows_of(sheet) > 0;
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) return 2;
    const std::string job = arguments[1];
    if (job == "make") return count == 4 ? make(arguments[2], std::stoi(arguments[3])) : 2;
    if (job == "plain") {
        if (count != 5) return 2;
        const std::string height = arguments[3], width = arguments[4];
        const cv::Mat gray(std::stoi(height), std::stoi(width), CV_8UC1, cv::Scalar(100));
        return cv::imwrite(std::string(arguments[2]) + "/" + height + "x" + width + ".png", gray) ? 0 : 1;
    }
    const cv::Mat sheet = cv::imread(arguments[2]);
    if (sheet.empty()) return 1;
    if (job == "size") std::printf("%dx%d\n", sheet.cols, sheet.rows);
    if (job == "turned") return is_turned(sheet) ? 0 : 1;
    if (job == "masked") return is_masked(sheet) ? 0 : 1;
    return 0;
}
