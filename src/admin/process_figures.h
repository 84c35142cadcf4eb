// Metrics of the process: memory, CPU time, descriptors.
#pragma once

#include "admin/metric_set.h"

namespace sallyport::admin {

void collect_process_figures(MetricSet& out);

}  // namespace sallyport::admin
