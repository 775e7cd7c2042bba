//! The real pipeline with doubles that follow a script: each test names one fault, when it comes, and
//! exactly what must and must not hold then. The simulation draws its faults; here they are told, the
//! work that was done and whose reply was lost always among them.

mod absence;
mod bench;
mod broken;
mod clock;
mod columns;
mod commits;
mod continuous;
mod counts;
mod definitions;
mod gap;
mod gateway;
mod gauges;
mod holds;
mod identity;
mod journal;
mod leases;
mod levers;
mod others;
mod parking;
mod pilot;
mod positions;
mod recopy;
mod returning;
mod source;
mod state_v1;
mod stream;
mod tables;
mod throttle;
mod writes;
