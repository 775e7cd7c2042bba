pub mod run;
pub mod types;
