//! Tests that run against doubles and real servers (`scripts/services up`, then its environment variables).

mod contract;
