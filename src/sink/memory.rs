//! A sink in memory, with HBase timestamp rules.
