-- A body is added by the statement that adds its item, and removed where that is: the key to it costs every insert a look-up and a lock for nothing.
ALTER TABLE queue_bodies DROP CONSTRAINT queue_bodies_sequence_fkey;
