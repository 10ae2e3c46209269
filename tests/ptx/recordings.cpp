#include <thrust/system/cpp/execution_policy.h>
#include <fstream>
#include <iostream>
#include <random>

#include "../cuda/shipped.hpp"
#include "image_recordings.hpp"
#include "recorder.hpp"
#include "selfsame/cluster/device_sinkhorn.hpp"
#include "selfsame/energy/device_losses.hpp"
#include "selfsame/energy/device_scores.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"
#include "selfsame/objective/device_soft_cross_entropy.hpp"
#include "selfsame/objective/device_swav.hpp"

// recordings FILE: what the library launches for every call in shipped.hpp, with the results of the host's engine. The
// shapes leave tiles ragged.

namespace {

using selfsame::index_t;
constexpr index_t anchors = 37, width = 24, queue = 70;

template <class E>
class memory {
  public:
    memory() {
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        const auto draw = [&](auto& v, index_t count) {
            for (index_t e = 0; e < count; ++e) v.push_back(selfsame::element_cast<E>(normal(random)));
        };
        draw(anchors_, anchors * width);
        draw(positives_, anchors * width);
        draw(queue_, queue * width);
        for (std::vector<E>* v : {&to_anchors_, &to_positives_, &to_queue_}) {
            v->resize(static_cast<std::size_t>((v == &to_queue_ ? queue : anchors) * width));
        }
        for (index_t i = 0; i < anchors; ++i) upstream_.push_back(normal(random));
        loss_.resize(1);
        temperature_.resize(1);
        losses_.resize(anchors);
        saved_.resize(8 * anchors);
        for (index_t i = 0; i < anchors; ++i) labels_.push_back(static_cast<int>(7 * i % width));
    }

    template <selfsame::memory_space Space>
    selfsame_tests::shipped_tensors<E, Space> tensors() {
        const auto rows = [](auto& v) {
            return selfsame::detail::strided<Space>(
                v.data(), std::array<index_t, 2>{static_cast<index_t>(v.size()) / width, width},
                std::array<index_t, 2>{width, 1});
        };
        const auto values = [](auto& v) {
            return selfsame::detail::strided<Space>(v.data(), std::array<index_t, 1>{static_cast<index_t>(v.size())},
                                                    std::array<index_t, 1>{1});
        };
        return {rows(std::as_const(anchors_)),
                rows(std::as_const(positives_)),
                rows(std::as_const(queue_)),
                rows(to_anchors_),
                rows(to_positives_),
                rows(to_queue_),
                values(loss_),
                values(losses_),
                values(upstream_),
                values(temperature_),
                values(saved_),
                values(std::as_const(labels_))};
    }

    /// Tells a recording of all buffers.
    void place(selfsame_tests::recording& to, const std::string& of) const {
        const auto add = [&](const char* name, const auto& v) { to.buffer(of + name, std::span(v)); };
        add("anchors", anchors_);
        add("positives", positives_);
        add("queue", queue_);
        add("saved", saved_);
        add("upstream", upstream_);
        add("labels", labels_);
        each_result(add);
    }
    void expect(selfsame_tests::recording& to, const std::string& of, double tolerance) const {
        each_result([&](const std::string& name, const auto& v) { to.expect(of + name, std::span(v), tolerance); });
    }

  private:
    template <class F>
    void each_result(F&& f) const {
        f("to_anchors", to_anchors_);
        f("to_positives", to_positives_);
        f("to_queue", to_queue_);
        f("loss", loss_);
        f("losses", losses_);
        f("temperature", temperature_);
    }

    std::vector<E> anchors_, positives_, queue_, to_anchors_, to_positives_, to_queue_;
    std::vector<float> loss_, losses_, upstream_, temperature_;
    std::vector<typename selfsame::compute<E>::type> saved_;
    std::vector<int> labels_;
};

/// One of each kind of elements.
struct memories {
    memory<float> floats;
    memory<double> doubles;
    memory<selfsame::bfloat16> bfloats;
    memory<selfsame::half> halves;

    template <selfsame::memory_space Space, class Policy, class Done>
    void call(const Policy& policy, Done&& done) {
        selfsame_tests::call_everything(policy, floats.template tensors<Space>(), doubles.template tensors<Space>(),
                                        bfloats.template tensors<Space>(), halves.template tensors<Space>(),
                                        std::forward<Done>(done));
    }
    void place(selfsame_tests::recording& to) const {
        floats.place(to, "floats.");
        doubles.place(to, "doubles.");
        bfloats.place(to, "bfloats.");
        halves.place(to, "halves.");
    }
    /// Results are stored in the elements' type. In tensor cores probabilities are rounded to bfloat16 too, and the
    /// device sums in another order.
    void expect(selfsame_tests::recording& to, const std::string& call) const {
        const bool rounded = call.ends_with("in tensor cores");
        floats.expect(to, "floats.", rounded ? 1e-2 : 2e-6);
        doubles.expect(to, "doubles.", 1e-7);
        bfloats.expect(to, "bfloats.", rounded ? 1e-2 : 1e-3);
        halves.expect(to, "halves.", 1e-4);
    }
};

}  // namespace

int main(int count, char** arguments) {
    using namespace selfsame_tests;
    if (count != 2) {
        std::cerr << "usage: recordings FILE\n";
        return 2;
    }
    std::ofstream file(arguments[1]);

    std::vector<memories> after;
    memories host, device;
    host.call<selfsame::memory_space::host>(thrust::cpp::par, [&](const char*) { after.push_back(host); });

    recording current;
    std::vector<std::unique_ptr<std::byte[]>> scratch;
    recorder policy;
    policy.to = &current;
    policy.memory = &scratch;
    device.place(current);
    std::size_t done = 0;
    device.call<selfsame::memory_space::device>(policy, [&](const char* name) {
        after[done].expect(current, name);
        current.write(file, name);
        // The next call begins with this one's results, in the same place.
        device = after[done++];
        current = recording();
        scratch.clear();
        device.place(current);
    });
    record_images(file);
    return file.good() ? 0 : 1;
}
