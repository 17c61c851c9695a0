mod connections;
mod simulation;
