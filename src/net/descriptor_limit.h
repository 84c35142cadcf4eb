// The limit on open descriptors, for programs that hold many connections: a gateway, a load generator.
#pragma once

namespace sallyport::net {

/// Raises the soft limit to the hard one. Each connection and tunnel takes a descriptor; the usual soft limit
/// of 1,024 is for programs that use select().
void raise_descriptor_limit();

}  // namespace sallyport::net
