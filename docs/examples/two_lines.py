from theory.quick import *

never_taken = conjecture("MY-01", sp.Ge(margin, 0), read=larger_readings, title="No class is taken for a smaller one")
