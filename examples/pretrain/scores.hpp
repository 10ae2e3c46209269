#pragma once

namespace pretrain {

/// Shares of test images that are classified correctly, from frozen features.
struct scores {
    double knn = 0;         // weighted vote of the nearest training images
    double linear = 0;      // multinomial logistic regression on all labels
    double linear_10 = 0;   // on 10 labels a class, mean over several draws
    double linear_100 = 0;  // on 100 labels a class
};

}  // namespace pretrain
