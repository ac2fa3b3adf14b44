// Scores image files by an export of fae: fae_score DIR image... prints "path score anomalous" for each.
//
// It does what fae_runtime does in Python: OpenCV reads a file and brings it to the size of the run, and OpenVINO runs
// the graph in float32. It does not compare the files with their digests.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <openvino/openvino.hpp>

namespace fs = std::filesystem;
using nlohmann::json;

// Decode a file to RGB of 8 bits; EXIF data turn it, alpha is dropped, and `full` is what becomes 255 in files of 16
// bits. From memory, because imread turns some TIFF files wrongly.
cv::Mat read(const std::string& path, double full) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (bytes.empty()) throw std::runtime_error(path + " cannot be read; name an image file");
    cv::Mat image = cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_ANYDEPTH);
    if (image.empty() || image.depth() > CV_16U || image.depth() == CV_8S)
        throw std::runtime_error(path + " is no image of 8 or 16 bits; save it as PNG");
    if (image.depth() == CV_16U) {
        if (cv::norm(image, cv::NORM_INF) > full)
            throw std::runtime_error(path + " holds values beyond the run's bit depth; export a run of this camera");
        image.convertTo(image, CV_64F, 255 / full);
        image.convertTo(image, CV_8U);
    }
    cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
    return image;
}

// The size of the image within the size of the run, without padding.
cv::Size content_size(const cv::Size& image, const cv::Size& run, bool pad) {
    if (!pad) return run;
    const double scale = std::min(double(run.height) / image.height, double(run.width) / image.width);
    const auto side = [scale](int length, int limit) {  // nearbyint rounds halves to even, as Python does
        return std::min(limit, std::max(1, int(std::nearbyint(length * scale))));
    };
    return {side(image.width, run.width), side(image.height, run.height)};
}

// Resize the image to its content's size, and fill the rest on the right and below by reflection.
cv::Mat fit(const cv::Mat& image, const cv::Size& content, const cv::Size& run) {
    cv::Mat fitted = image;
    if (content != image.size()) {
        const bool shrinks = content.height < image.rows || content.width < image.cols;
        cv::resize(image, fitted, content, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
    }
    const cv::Size rest = run - content;
    if (content != run) cv::copyMakeBorder(fitted, fitted, 0, rest.height, 0, rest.width, cv::BORDER_REFLECT);
    return fitted;
}

int main(int count, char** words) {
    if (count < 3) {
        std::cerr << "usage: fae_score DIR image...\n";
        return 2;
    }
    try {
        const fs::path folder = words[1];
        std::ifstream file(folder / "metadata.json");
        if (!file) throw std::runtime_error(folder.string() + " holds no metadata.json; name an output of fae.export");
        const json metadata = json::parse(file);
        const json &facts = metadata.at("image"), &threshold = metadata.at("thresholds").at("image");
        if (metadata.at("format") != 1) throw std::runtime_error("metadata.json has another format; export again");
        if (facts.at("size") != "run" || facts.at("roi") == "each")
            throw std::runtime_error("this example takes exports with size=run, and no region of each image");
        const cv::Size run(facts.at("width"), facts.at("height"));
        const bool pad = facts.at("aspect") == "pad";
        const json& depth = facts.at("bit_depth");
        const double full = std::exp2(depth.is_null() ? 16 : depth.get<int>()) - 1;

        const fs::path graph = folder / (fs::exists(folder / "model.onnx") ? "model.onnx" : "model.xml");
        ov::Core core;
        // OpenVINO chooses bf16 by itself on processors that have it, and the scores would change.
        ov::CompiledModel model = core.compile_model(
            graph.string(), "CPU", ov::hint::inference_precision(ov::element::f32),
            ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY));
        ov::InferRequest request = model.create_infer_request();
        const ov::Shape pixels{1, size_t(run.height), size_t(run.width)};

        for (int i = 2; i < count; ++i) {
            const cv::Mat image = read(words[i], full);
            if (facts.at("aspect").is_null() && image.size() != run)
                throw std::runtime_error(std::string(words[i]) + " has another size than the images of training");
            const cv::Size content = content_size(image.size(), run, pad);
            const cv::Mat fitted = fit(image, content, run);
            request.set_tensor("image", ov::Tensor(ov::element::u8, {1, pixels[1], pixels[2], 3}, fitted.data));
            if (facts.at("content")) {
                ov::Tensor inside(ov::element::boolean, pixels);
                cv::Mat view(run, CV_8U, inside.data());
                view = 0;
                view(cv::Rect({0, 0}, content)) = 1;
                if (!facts.at("roi").is_null())
                    view.setTo(0, cv::imread((folder / "roi.png").string(), cv::IMREAD_GRAYSCALE) == 0);
                request.set_tensor("content", inside);
            }
            request.infer();
            const float score = request.get_tensor("score").data<float>()[0];
            const char* anomalous = threshold.is_null() ? "None" : score > threshold.get<double>() ? "True" : "False";
            std::cout << words[i] << ' ' << std::setprecision(9) << score << ' ' << anomalous << '\n';
        }
    } catch (const std::exception& error) {
        std::cerr << "error: " << error.what() << '\n';
        return 1;
    }
}
