// Metrics of the process: memory, CPU time, descriptors.
#pragma once

#include "gateway/metric_set.h"

namespace sallyport::gateway {

void collect_process_figures(MetricSet& out);

}  // namespace sallyport::gateway
